import { Command, type Option } from 'commander'
import type { CommandEntry } from '../command.js'
import type { Io } from '../io.js'
import { shellWord } from './shell-word.js'
import { type Completion, stageCompletions, textCompletions } from './text-completions.js'

/** What can stand where the cursor is. */
export interface Completions {
  readonly values: readonly Completion[]
  /** Whether the name of a file can stand there. */
  readonly hasFiles: boolean
}

/** What completes a value, by the name that the help has for it. */
const VALUE_SOURCES: Readonly<Record<string, (typed: string) => readonly Completion[]>> = {
  pipeline: textCompletions,
  stage: stageCompletions,
}

/** What the values are called that are files. */
const FILE_PLACEHOLDERS = ['file', 'module']

/** What can stand in the last of some words, which are written as at a shell and follow `bywash`. */
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
    return { values: [...commands, { value: '--help', summary: '' }], hasFiles: false }
  }
  const entry = entries.find(entry => entry.name === name)
  if (entry === undefined) return { values: [], hasFiles: false }
  const command = new Command(name).helpOption('--help', 'print this help')
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
    waiting = isValue ? undefined : options.find(option => option.required && option.long === word)
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

/** `file` of `--in <file>`. */
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
