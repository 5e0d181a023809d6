import { Argument } from 'commander'
import type { CommandEntry, CommandModule } from '../command.js'
import { COMPLETION_SCRIPTS, FILES_MARKER, type Shell } from '../completion/completion-scripts.js'
import { completions } from '../completion/completions.js'
import { shellWord } from '../completion/shell-word.js'
import type { Io } from '../io.js'

/** `bywash completion SHELL`, and `bywash completion SHELL -- WORD…`, which the scripts call. */
export const configure: CommandModule['configure'] = (command, io, exit, entries) => {
  command
    .addArgument(new Argument('<shell>', 'the shell').choices(Object.keys(COMPLETION_SCRIPTS)))
    .argument('[words...]', 'what the script asks for: the words behind bywash, up to the cursor')
    .addHelpText('after', '\nExample:\n  $ source <(bywash completion bash)')
    .action(async (shell: Shell, words: readonly string[]) => {
      io.stdout.write(
        words.length === 0 ? COMPLETION_SCRIPTS[shell] : await answer(shell, words, io, entries),
      )
      exit(0)
    })
}

/** Prints for a completion script: a line for each candidate, and FILES_MARKER where it is to add file names. */
async function answer(
  shell: Shell,
  words: readonly string[],
  io: Io,
  entries: readonly CommandEntry[],
): Promise<string> {
  const { before, joined } = shell === 'bash' ? joinedWords(words) : { before: '', joined: words }
  const { values, hasFiles } = await completions(joined, io, entries)
  const isQuoted = shell !== 'bash' || /^['"]/.test(words.at(-1) as string)
  const lines = values
    .map(({ value, summary }) => ({ value: value.slice(shellWord(before).length), summary }))
    // Bash inserts candidates unquoted, so those that need quotes are left out.
    .filter(({ value }) => isQuoted || /^[\w.:=-]+$/.test(value))
    .map(({ value, summary }) => `${value}\t${summary}`)
  return [...lines, ...(hasFiles ? [FILES_MARKER] : [])].map(line => `${line}\n`).join('')
}

/**
 * Joins words that bash splits at `=` and `:`, such as `--plan=fused` and `preset:echo`, which are three words each. Bash
 * replaces only the last part of such a word; `before` is the part in front of that.
 */
function joinedWords(words: readonly string[]): {
  readonly before: string
  readonly joined: readonly string[]
} {
  const joined: string[] = []
  let before = ''
  let isOpen = false
  for (const word of words) {
    const isSign = /^[=:]+$/.test(word)
    const start = isSign || isOpen ? (joined.pop() ?? '') : ''
    before = isSign ? start + word : start
    joined.push(start + word)
    isOpen = isSign
  }
  return { before, joined }
}
