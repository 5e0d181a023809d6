import type { CommandEntry } from './command.js'

/** The command table, without the commands of the presets. */
export const COMMANDS: readonly CommandEntry[] = [
  entry('Pipelines', 'run', 'serve a pipeline that is written as a text', () => import('./commands/run.js')),
  entry('Pipelines', 'proxy', 'pass connections on to another server', () => import('./commands/proxy.js')),
  entry('Pipelines', 'pipe', 'run a pipeline from stdin to stdout', () => import('./commands/pipe.js')),
  entry('Pipelines', 'connect', 'connect to a server, as a client', () => import('./commands/connect.js')),
  entry('Pipelines', 'top', 'show what a server does, live', () => import('./commands/top.js')),
  entry('Pipelines', 'tap', 'show what connections say, live', () => import('./commands/tap.js')),
  entry('Catalogue', 'explain', 'show how a pipeline will run', () => import('./commands/explain.js')),
  entry('Catalogue', 'stages', 'list the stages, or describe one', () => import('./commands/stages.js')),
  entry('Catalogue', 'presets', 'list the presets', () => import('./commands/presets.js')),
  entry(
    'Files',
    'check',
    'find what is wrong in files, and bind nothing',
    () => import('./commands/check.js'),
  ),
  entry('Files', 'serve', 'serve the listeners of a file', () => import('./commands/serve-file.js')),
  entry('Files', 'test', 'run the tests of a file', () => import('./commands/test-file.js')),
  entry('Files', 'init', 'write a first file', () => import('./commands/init.js')),
  entry('Shell', 'help', 'print the help of a command', () => import('./commands/help.js')),
  entry('Shell', 'version', 'print the version', async () => ({ configure: () => {} })),
  entry('Shell', 'completion', 'print the completion of a shell', () => import('./commands/completion.js')),
]

function entry(heading: string, name: string, summary: string, load: CommandEntry['load']): CommandEntry {
  return { group: `${heading}:`, name, summary, load }
}

/** A command for each preset. */
export async function presetCommands(): Promise<readonly CommandEntry[]> {
  const [{ presets }, { presetCommand }] = await Promise.all([
    import('../presets/index.js'),
    import('./commands/preset-command.js'),
  ])
  return presets.map(preset => ({
    group: 'Presets:',
    name: preset.name,
    summary: preset.summary,
    load: async () => ({ configure: presetCommand(preset) }),
  }))
}
