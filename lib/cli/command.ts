import type { Command } from 'commander'
import type { Io } from './io.js'

/** The exports of a file in commands/. */
export interface CommandModule {
  /**
   * Adds arguments, flags, an example and the action to `command`, which has its name and summary already. The action
   * reports its exit code with `exit`. `entries` lists every command; only `bywash completion` uses it.
   */
  readonly configure: (
    command: Command,
    io: Io,
    exit: (code: number) => void,
    entries: readonly CommandEntry[],
  ) => void
}

/** A row of the command table: all that `bywash --help` needs to know before the command's file is loaded. */
export interface CommandEntry {
  readonly name: string
  /** The heading above the command in the help. */
  readonly group: string
  readonly summary: string
  readonly load: () => Promise<CommandModule>
}
