import { Argument } from 'commander'
import type { CommandModule } from '../command.js'

/** `bywash help [command]`. main() reads it as `bywash [command] --help`; this is its own help. */
export const configure: CommandModule['configure'] = (command, _io, _exit, entries) => {
  const names = entries.map(({ name }) => name)
  command
    .addArgument(new Argument('[command]', 'the command to explain').choices(names))
    .addHelpText('after', '\nExample:\n  $ bywash help run')
}
