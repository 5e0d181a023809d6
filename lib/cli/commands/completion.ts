import { Argument } from 'commander'
import type { CommandEntry, CommandModule } from '../command.js'
import { COMPLETION_SCRIPTS, FILES_MARKER, type Shell } from '../completion/completion-scripts.js'
import { completions } from '../completion/completions.js'
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

/** What a script gets: a line for each completion, and one that asks for files. */
async function answer(
  shell: Shell,
  words: readonly string[],
  io: Io,
  entries: readonly CommandEntry[],
): Promise<string> {
  const { values, hasFiles } = await completions(
    shell === 'bash' ? withoutEqualsSigns(words) : words,
    io,
    entries,
  )
  const isQuoted = shell !== 'bash' || /^['"]/.test(words.at(-1) as string)
  const lines = values
    // Bash puts quotes around nothing.
    .filter(({ value }) => isQuoted || /^[\w.:=-]+$/.test(value))
    .map(({ value, summary }) => `${value}\t${summary}`)
  return [...lines, ...(hasFiles ? [FILES_MARKER] : [])].map(line => `${line}\n`).join('')
}

/** Bash makes a word of each '='; `--plan = fused` is read as `--plan fused`. */
function withoutEqualsSigns(words: readonly string[]): readonly string[] {
  return words.flatMap((word, index) => (word !== '=' ? [word] : index === words.length - 1 ? [''] : []))
}
