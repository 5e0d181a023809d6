import { createRequire } from 'node:module'
import { Command, CommanderError } from 'commander'
import { substituteIn } from '../config/typography.js'
import { BywashError, InvalidOptionError } from '../errors.js'
import type { CommandEntry } from './command.js'
import { CommandFailure } from './command-failure.js'
import { COMMANDS, presetCommands } from './commands.js'
import type { Io } from './io.js'
import { withSuggestion } from './suggestion.js'
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
  const print = (text: string) => io.stderr.write(colouredErrors(io.stderr, io.env, text))
  const showErrors = (command: Command) =>
    command.configureOutput({
      outputError: text => void print(withSubstitute(withSuggestion(text, command), argv)),
    })
  const program = showErrors(programFor(io))
  // To print the version no command is loaded, so that it answers fast.
  const isVersion = VERSION_FLAGS.includes(argv[0] as string) || argv.join(' ') === 'version'
  const entries = isVersion ? [] : [...(await presetCommands()), ...COMMANDS]
  const words = isVersion ? ['--version'] : plainWords(argv, entries)
  for (const entry of entries) {
    const command = addCommand(program, entry, showErrors)
    if (words.find(word => !word.startsWith('-')) !== entry.name) continue
    // Only the requested command's file is loaded.
    const { configure } = await entry.load()
    configure(command, io, exit, entries)
  }
  try {
    await program.parseAsync(words, { from: 'user' })
    return exitCode
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    if (!(error instanceof BywashError || error instanceof CommandFailure)) throw error
    print(withSubstitute(`${error.message}\n`, argv))
    return error instanceof InvalidOptionError ? 2 : 1
  }
}

const VERSION_FLAGS = ['--version', '-V']

/** Replaces `help run` by `run --help`, and leaves only the name of a command that does not exist, which is refused. */
function plainWords(argv: readonly string[], entries: readonly CommandEntry[]): readonly string[] {
  const [first, second] = argv
  const isCommand = (word: string) => entries.some(({ name }) => name === word)
  if (first === 'help' && second === undefined) return ['--help']
  if (first === 'help' && second !== undefined && !second.startsWith('-')) {
    return isCommand(second) ? [second, '--help'] : [second]
  }
  return first === undefined || first.startsWith('-') || isCommand(first) ? argv : [first]
}

function programFor(io: Io): Command {
  return new Command('bywash')
    .description('Serve TCP, and run streams, with a pipeline of stages. Each preset is a command.')
    .version(version(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand(false)
    .showSuggestionAfterError(false)
    .showHelpAfterError('Run bywash --help for all commands.')
    .exitOverride()
    .configureHelp(HELP)
    .configureOutput({
      writeOut: text => void io.stdout.write(text),
      writeErr: text => void io.stderr.write(text),
      getOutHelpWidth: () => widthOf(io.stdout),
      getErrHelpWidth: () => widthOf(io.stderr),
    })
    .addHelpText(
      'after',
      "\nExample:\n  $ bywash uppercase --port 9000\n  $ bywash run 'lines | uppercase | to-lines'",
    )
}

function addCommand(
  program: Command,
  { name, group, summary }: CommandEntry,
  showErrors: (command: Command) => Command,
): Command {
  const command = program
    .command(name)
    .helpGroup(group)
    .summary(summary)
    .description(`${summary.replace(/^./, letter => letter.toUpperCase())}.`)
    .showHelpAfterError(`Run bywash ${name} --help for its arguments and flags.`)
  return showErrors(command)
}

/** Says what to write in place of a typographic quote, dash or space in the word that an error is about. */
function withSubstitute(message: string, argv: readonly string[]): string {
  // The errors of a text have their own remedies, and that about a word too many does not name it.
  const isOfText = message.trimEnd().includes('\n  ')
  const words = message.includes('too many arguments') ? argv : argv.filter(word => message.includes(word))
  const sentence = isOfText ? '' : (words.map(substituteIn).find(found => found !== '') ?? '')
  return sentence === '' ? message : `${message}${sentence}\n`
}

function version(): string {
  // By package name and not by relative path, since the bundler moves this code into another file.
  return (createRequire(import.meta.url)('bywash/package.json') as { version: string }).version
}
