import type { CommandModule } from '../command.js'

/** `bywash help [command]`. main() reads it as `bywash [command] --help`; this is its own help. */
export const configure: CommandModule['configure'] = command => {
  command
    .argument('[command]', 'the command to explain')
    .addHelpText('after', '\nExample:\n  $ bywash help run')
}
