import { loadFile, type PlacedProblem } from '../../config/file/load-file.js'
import type { CommandModule } from '../command.js'
import type { Io } from '../io.js'
import { jsonText } from '../json-text.js'

/** `bywash check FILE…` */
export const configure: CommandModule['configure'] = (command, io, exit) => {
  command
    .argument('<file...>', 'YAML or JSON')
    .option('--json', 'print the problems as JSON')
    .addHelpText('after', '\nExample:\n  $ bywash check bywash.yaml')
    .action(async (files: string[], flags: Flags) => exit(await check(files, flags, io)))
}

interface Flags {
  readonly json?: boolean
}

/** Prints the problems of files, each as `file:line:column: message`, and binds nothing. Returns the exit code. */
export async function check(files: readonly string[], { json }: Flags, io: Io): Promise<number> {
  const all: PlacedProblem[] = []
  for (const file of files) {
    const { problems, warnings, placed } = await loadFile(file, {
      environment: io.env,
      readsCertificates: true,
    })
    all.push(...placed)
    if (!json) for (const line of [...problems, ...warnings]) io.stdout.write(`${line}\n`)
  }
  if (json) io.stdout.write(jsonText(all))
  return all.length > 0 ? 1 : 0
}
