import type { Command } from 'commander'
import { alternatives, nearest } from '../config/did-you-mean.js'

/** The parser's message about a flag or a command that does not exist. */
const UNKNOWN = /^error: unknown (option|command) '(.+)'$/m

/** Only names that are about as similar as the best one: a command has many flags that end alike. */
const MARGIN = 0.1

/** Adds the names that may be meant to such a message, found as those in texts and files are. */
export function withSuggestion(message: string, command: Command): string {
  const [line = '', kind, word = ''] = UNKNOWN.exec(message) ?? []
  const near =
    kind === 'option' ? flagsLike(word, command) : nearest(word, command.commands.map(nameOf), MARGIN)
  return near.length === 0 || line === '' ? message : `${line}\n(Did you mean ${alternatives(near)}?)\n`
}

const nameOf = (command: Command) => command.name()

/** The flags that resemble a word, without a look at the dashes, which all of them share. */
function flagsLike(word: string, command: Command): readonly string[] {
  const flags = command.createHelp().visibleOptions(command)
  const names = new Map(
    flags.flatMap(({ long, short }) => [long, short]).flatMap(flag => (flag ? [[bare(flag), flag]] : [])) as [
      string,
      string,
    ][],
  )
  return nearest(bare(word), names.keys(), MARGIN).map(name => names.get(name) as string)
}

function bare(flag: string): string {
  return flag.replace(/^--?/, '').replace(/=.*/s, '')
}
