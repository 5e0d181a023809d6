import { chat } from './chat.js'
import { counter } from './counter.js'
import { echo } from './echo.js'
import type { Preset } from './preset.js'
import { uppercase } from './uppercase.js'
import { welcome } from './welcome.js'

export type { Preset, PresetOptions } from './preset.js'
export { chat, counter, echo, uppercase, welcome }

/** All presets, in the order of the command line. */
export const presets: readonly Preset[] = [echo, welcome, counter, uppercase, chat]
