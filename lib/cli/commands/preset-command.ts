import type { OptionTable } from '../../options/option.js'
import type { Preset, PresetOptions } from '../../presets/index.js'
import type { CommandModule } from '../command.js'
import { listenerFlags, listenerSettings } from '../listener-flags.js'
import { addFlags, valuesFrom } from '../option-flags.js'
import { serve } from '../serving/serve.js'

/** Configures the command of a preset, which has the flags of the preset's options and those of every listener. */
export function presetCommand(preset: Preset): CommandModule['configure'] {
  const table = lineByLine(preset.definition.options)
  return (command, io, exit) => {
    addFlags(command, table)
    listenerFlags(command)
      .addHelpText('after', `\nExample:\n  $ bywash ${preset.name} --host 127.0.0.1 --port 9000`)
      .action(async flags => {
        const { banner, ...options } = valuesFrom(table, flags) as PresetOptions
        const lines = banner === undefined ? {} : { banner: banner === '' ? '' : `${banner}\n` }
        const pipelineFor = (log: (line: string) => void) => preset.pipeline({ ...options, ...lines, log })
        exit(await serve(pipelineFor, preset, listenerSettings(flags, io.env), io))
      })
  }
}

/** Describes the banner as a line: a shell has no easy way to write a line feed, so the command adds it. */
function lineByLine({ banner, ...table }: OptionTable): OptionTable {
  if (banner === undefined) return table
  const text = String(banner.default).trimEnd()
  return { ...table, banner: { ...banner, default: text, help: `${banner.help}; a line feed is added` } }
}
