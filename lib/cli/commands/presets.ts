import { formatText } from '../../config/text/format-text.js'
import { presets } from '../../presets/index.js'
import type { CommandModule } from '../command.js'
import { jsonText } from '../json-text.js'
import { table } from '../terminal/table.js'
import { widthOf } from '../terminal/terminal.js'

/** `bywash presets` */
export const configure: CommandModule['configure'] = (command, io, exit) => {
  command
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  $ bywash presets')
    .action(({ json }: { readonly json?: boolean }) => {
      const all = presets.map(preset => ({
        name: preset.name,
        summary: preset.summary,
        options: preset.definition.options,
        text: formatText(preset.pipeline().stages),
      }))
      const rows = all.flatMap(({ name, summary, text }) => [
        [name, summary],
        ['', text],
      ])
      io.stdout.write(json ? jsonText(all) : `${table([['PRESET', ''], ...rows], widthOf(io.stdout))}\n`)
      exit(0)
    })
}
