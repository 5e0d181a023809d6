import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { BywashError, InvalidOptionError } from '../errors.js'
import { presets } from '../presets/index.js'
import { presetCommand } from './preset-command.js'
import { serve } from './serve.js'

/** What the command line uses of the process; `process` itself has all of it. */
export interface Io {
  readonly stdout: NodeJS.WritableStream
  readonly stderr: NodeJS.WritableStream
  on: (signal: 'SIGINT' | 'SIGTERM', callback: () => void) => unknown
  off: (signal: 'SIGINT' | 'SIGTERM', callback: () => void) => unknown
}

/** Runs the command line and returns the exit code: 0 done, 1 run-time failure, 2 usage. */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  let exitCode = 0
  // When the reader of our log goes away (`| head -1`), or its disk is full, the service goes on.
  io.stderr.on('error', () => {})
  io.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
  const program = new Command('bywash')
    .description('Serve TCP with a pipeline of stages. Each preset is a command.')
    .version(version(), '--version', 'print the version')
    .helpOption('--help', 'print this help')
    .helpCommand(false)
    .showHelpAfterError(
      `The presets are ${presets.map(({ name }) => name).join(', ')}. Run bywash --help for more.`,
    )
    .exitOverride()
    .configureOutput({
      writeOut: text => void io.stdout.write(text),
      writeErr: text => void io.stderr.write(text),
    })
    .addHelpText('after', '\nExample:\n  $ bywash uppercase --port 9000')
  for (const preset of presets) {
    presetCommand(program, preset).action(async flags => {
      exitCode = await serve(preset, flags, io)
    })
  }
  try {
    await program.parseAsync(argv, { from: 'user' })
    return exitCode
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    if (!(error instanceof BywashError)) throw error
    io.stderr.write(`${error.message}\n`)
    return error instanceof InvalidOptionError ? 2 : 1
  }
}

function version(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}
