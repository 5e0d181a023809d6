import type { Command } from 'commander'
import type { Io } from './io.js'

/** What a command's file exports. */
export interface CommandModule {
  /**
   * Adds arguments, flags, an example and the action to a command that has its name and its summary. `entries` are all
   * commands, for completion.
   */
  readonly configure: (
    command: Command,
    io: Io,
    exit: (code: number) => void,
    entries: readonly CommandEntry[],
  ) => void
}

/** A command that is known before its file is loaded. */
export interface CommandEntry {
  readonly name: string
  /** The heading that it stands under in the help. */
  readonly group: string
  readonly summary: string
  readonly load: () => Promise<CommandModule>
}
