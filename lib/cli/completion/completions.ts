import { Command, type Option } from 'commander'
import type { CommandEntry } from '../command.js'
import type { Io } from '../io.js'
import { shellWord } from './shell-word.js'
import { type Completion, stageCompletions, textCompletions } from './text-completions.js'

/** Candidates for the word under the cursor. */
export interface Completions {
  readonly values: readonly Completion[]
  /** Whether the word may be the name of a file. */
  readonly hasFiles: boolean
}

/** Functions that complete a value, by its placeholder in the help. */
const VALUE_SOURCES: Readonly<Record<string, (typed: string) => readonly Completion[]>> = {
  pipeline: textCompletions,
  stage: stageCompletions,
}

/** Placeholders in the help that stand for files. */
const FILE_PLACEHOLDERS = ['file', 'module']

/**
 * Completes a command line.
 *
 * @param words - The words after `bywash`, with their quotes, up to the one under the cursor.
 */
export async function completions(
  words: readonly string[],
  io: Io,
  entries: readonly CommandEntry[],
): Promise<Completions> {
  const [current = '', ...before] = words.map(shellWord).reverse()
  const { values, hasFiles } = await candidates(before.reverse(), current, io, entries)
  return { values: values.filter(({ value }) => value.startsWith(current)), hasFiles }
}

async function candidates(
  [name, ...before]: readonly string[],
  current: string,
  io: Io,
  entries: readonly CommandEntry[],
): Promise<Completions> {
  if (name === undefined) {
    const commands = entries.map(({ name, summary }) => ({ value: name, summary }))
    return {
      values: [...commands, { value: '--help', summary: '' }, { value: '--version', summary: '' }],
      hasFiles: false,
    }
  }
  const entry = entries.find(entry => entry.name === name)
  if (entry === undefined) return { values: [], hasFiles: false }
  const command = new Command(name).helpOption('-h, --help', 'print this help')
  const { configure } = await entry.load()
  configure(command, io, () => {}, entries)
  return candidatesInCommand(command, before, current)
}

function candidatesInCommand(command: Command, before: readonly string[], current: string): Completions {
  const options = command.createHelp().visibleOptions(command)
  let waiting: Option | undefined
  let given = 0
  for (const word of before) {
    const isValue = waiting !== undefined
    waiting = isValue
      ? undefined
      : options.find(option => option.required && [option.long, option.short].includes(word))
    if (!isValue && !word.startsWith('-')) given++
  }
  if (waiting !== undefined) return valuesFor(valueName(waiting), waiting.argChoices, current)
  const [, flag = '', typed = ''] = /^(--[^=]+)=(.*)$/s.exec(current) ?? []
  const option = options.find(({ long }) => long === flag)
  if (option !== undefined) {
    const { values, hasFiles } = valuesFor(valueName(option), option.argChoices, typed)
    return { values: values.map(each => ({ ...each, value: `${flag}=${each.value}` })), hasFiles }
  }
  if (current.startsWith('-')) {
    const values = options.map(({ long, description }) => ({ value: long as string, summary: description }))
    return { values, hasFiles: false }
  }
  const { registeredArguments } = command
  const last = registeredArguments.at(-1)
  const argument = registeredArguments[given] ?? (last?.variadic ? last : undefined)
  return valuesFor(argument?.name() ?? '', argument?.argChoices, current)
}

/** The placeholder of an option's value: `file` for `--in <file>`. */
function valueName({ flags }: Option): string {
  return /<(.+)>/.exec(flags)?.[1] ?? ''
}

function valuesFor(name: string, choices: readonly string[] = [], typed: string): Completions {
  const names = name.split('|')
  const sources = names.flatMap(name => VALUE_SOURCES[name]?.(typed) ?? [])
  return {
    values: [...choices.map(value => ({ value, summary: '' })), ...sources],
    hasFiles: names.some(name => FILE_PLACEHOLDERS.includes(name)),
  }
}
