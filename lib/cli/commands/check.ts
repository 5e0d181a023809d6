import { loadFile } from '../../config/file/load-file.js'
import type { CommandModule } from '../command.js'
import type { Io } from '../io.js'

/** `bywash check FILE…` */
export const configure: CommandModule['configure'] = (command, io, exit) => {
  command
    .argument('<file...>', 'YAML or JSON')
    .addHelpText('after', '\nExample:\n  $ bywash check bywash.yaml')
    .action(async (files: string[]) => exit(await check(files, io)))
}

/** Prints the problems of files, each as `file:line:column: message`, and binds nothing. Returns the exit code. */
export async function check(files: readonly string[], io: Io): Promise<number> {
  let exitCode = 0
  for (const file of files) {
    const { problems, warnings } = await loadFile(file, { environment: io.env, readsCertificates: true })
    for (const line of [...problems, ...warnings]) io.stdout.write(`${line}\n`)
    if (problems.length + warnings.length > 0) exitCode = 1
  }
  return exitCode
}
