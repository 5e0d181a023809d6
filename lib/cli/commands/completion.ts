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

/** Prints for a completion script: a line for each candidate, and FILES_MARKER where it is to add file names. */
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
    // Bash inserts candidates unquoted, so those that need quotes are left out.
    .filter(({ value }) => isQuoted || /^[\w.:=-]+$/.test(value))
    .map(({ value, summary }) => `${value}\t${summary}`)
  return [...lines, ...(hasFiles ? [FILES_MARKER] : [])].map(line => `${line}\n`).join('')
}

/** Removes the words `=`, since bash splits `--plan=fused` into three. A last one becomes an empty word to complete. */
function withoutEqualsSigns(words: readonly string[]): readonly string[] {
  return words.flatMap((word, index) => (word !== '=' ? [word] : index === words.length - 1 ? [''] : []))
}
