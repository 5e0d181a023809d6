import type { OptionTable } from '../options/option.js'
import { choice, text } from '../options/option.js'
import { LINES_OPTIONS } from '../stages/lines/line-rules.js'
import type { Preset, PresetOptions } from './preset.js'

/** The options that presets take, without their defaults, which are each preset's own. */
const OPTIONS = {
  maxLength: { ...LINES_OPTIONS.maxLength, help: 'longest line' },
  overflow: choice(['error', 'truncate', 'skip'], { help: 'what happens to a longer line' }),
  banner: text({ help: 'text that a client gets first' }),
} satisfies Record<keyof Omit<PresetOptions, 'log'>, unknown>

/** The options of a preset, with its defaults. */
export function presetOptions({ defaults }: Preset): OptionTable {
  return Object.fromEntries(
    Object.entries(OPTIONS)
      .filter(([name]) => Object.hasOwn(defaults, name))
      .map(([name, option]) => [name, { ...option, default: defaults[name as keyof typeof OPTIONS] }]),
  )
}
