import { createRequire } from 'node:module'
import { Command, CommanderError } from 'commander'
import { BywashError, InvalidOptionError } from '../errors.js'
import type { CommandEntry } from './command.js'
import { CommandFailure } from './command-failure.js'
import { COMMANDS, presetCommands } from './commands.js'
import type { Io } from './io.js'
import { systemErrorText } from './system-error-text.js'
import { HELP } from './terminal/help.js'
import { colouredErrors, widthOf } from './terminal/terminal.js'

/**
 * Runs a command line and returns its exit code: 0 for success, 1 for a failure at run time, 2 for wrong usage.
 *
 * @param argv - The words after `bywash`.
 */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  // A log that cannot be written (its reader has exited, or its disk is full) does not stop the service.
  io.stderr.on('error', () => {})
  let lost: NodeJS.ErrnoException | undefined
  io.stdout.on('error', (error: NodeJS.ErrnoException) => {
    lost = error
  })
  const exitCode = await runCommand(argv, io)
  if (lost === undefined) await new Promise(resolve => io.stdout.write('', resolve))
  if (lost === undefined || lost.code === 'EPIPE') return exitCode
  io.stderr.write(`cannot write to stdout: ${systemErrorText(lost)}\n`)
  return 1
}

async function runCommand(argv: readonly string[], io: Io): Promise<number> {
  let exitCode = 0
  const exit = (code: number) => {
    exitCode = code
  }
  const program = programFor(io)
  // `--version` loads no command, so that it answers fast.
  const entries = argv[0] === '--version' ? [] : [...(await presetCommands()), ...COMMANDS]
  for (const entry of entries) {
    const command = addCommand(program, entry)
    if (argv.find(word => !word.startsWith('-')) !== entry.name) continue
    // Only the requested command's file is loaded.
    const { configure } = await entry.load()
    configure(command, io, exit, entries)
  }
  try {
    await program.parseAsync(argv, { from: 'user' })
    return exitCode
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    if (!(error instanceof BywashError || error instanceof CommandFailure)) throw error
    io.stderr.write(`${colouredErrors(io.stderr, io.env, error.message)}\n`)
    return error instanceof InvalidOptionError ? 2 : 1
  }
}

function programFor(io: Io): Command {
  return new Command('bywash')
    .description('Serve TCP, and run streams, with a pipeline of stages. Each preset is a command.')
    .version(version(), '--version', 'print the version')
    .helpOption('--help', 'print this help')
    .helpCommand(false)
    .showHelpAfterError('Run bywash --help for all commands.')
    .exitOverride()
    .configureHelp(HELP)
    .configureOutput({
      writeOut: text => void io.stdout.write(text),
      writeErr: text => void io.stderr.write(text),
      outputError: (text, write) => write(colouredErrors(io.stderr, io.env, text)),
      getOutHelpWidth: () => widthOf(io.stdout),
      getErrHelpWidth: () => widthOf(io.stderr),
    })
    .addHelpText(
      'after',
      "\nExample:\n  $ bywash uppercase --port 9000\n  $ bywash run 'lines | uppercase | to-lines'",
    )
}

function addCommand(program: Command, { name, group, summary }: CommandEntry): Command {
  return program
    .command(name)
    .helpGroup(group)
    .summary(summary)
    .description(`${summary.replace(/^./, letter => letter.toUpperCase())}.`)
}

function version(): string {
  // By package name and not by relative path, since the bundler moves this code into another file.
  return (createRequire(import.meta.url)('bywash/package.json') as { version: string }).version
}
