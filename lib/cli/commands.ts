import type { Command } from 'commander'
import type { Io } from './main.js'

/** What a command's file exports. */
export interface CommandModule {
  /** Adds arguments, flags, an example and the action to a command that has its name and its summary. */
  readonly configure: (command: Command, io: Io, exit: (code: number) => void) => void
}

/** A command that is known before its file is loaded. */
export interface CommandEntry {
  readonly name: string
  /** The heading that it stands under in the help. */
  readonly group: string
  readonly summary: string
  readonly load: () => Promise<CommandModule>
}

/* c8 ignore start -- the loader of the tests puts branches of its own behind a dynamic import */
/** Every command but the presets; a line for each. */
export const COMMANDS: readonly CommandEntry[] = [
  entry('Pipelines', 'run', 'serve a pipeline that is written as a text', () => import('./run.js')),
  entry('Pipelines', 'pipe', 'run a pipeline from stdin to stdout', () => import('./pipe.js')),
  entry('Pipelines', 'connect', 'connect to a server, as a client', () => import('./connect.js')),
  entry('Catalogue', 'explain', 'show how a pipeline will run', () => import('./explain.js')),
  entry('Catalogue', 'stages', 'list the stages, or describe one', () => import('./stages.js')),
  entry('Catalogue', 'presets', 'list the presets', () => import('./presets.js')),
  entry('Files', 'check', 'find what is wrong in files, and bind nothing', () => import('./check.js')),
  entry('Files', 'serve', 'serve the listeners of a file', () => import('./serve-file.js')),
  entry('Files', 'test', 'run the tests of a file', () => import('./test-file.js')),
  entry('Files', 'init', 'write a first file', () => import('./init.js')),
  entry('Shell', 'completion', 'print the completion of a shell', () => import('./completion.js')),
]
/* c8 ignore stop */

function entry(heading: string, name: string, summary: string, load: CommandEntry['load']): CommandEntry {
  return { group: `${heading}:`, name, summary, load }
}

/** The presets as commands. */
export async function presetCommands(): Promise<readonly CommandEntry[]> {
  /* c8 ignore next 4 -- as above */
  const [{ presets }, { presetCommand }] = await Promise.all([
    import('../presets/index.js'),
    import('./preset-command.js'),
  ])
  return presets.map(preset => ({
    group: 'Presets:',
    name: preset.name,
    summary: preset.summary,
    load: async () => ({ configure: presetCommand(preset) }),
  }))
}
