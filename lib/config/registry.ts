import type { StageFactory } from '../definition.js'
import { type Preset, presets } from '../presets/index.js'
import { presetOptions } from '../presets/preset-options.js'
import { catalogue } from '../stages/catalogue.js'

/** What a text or a file can name. */
export interface Registry {
  /** By their names, as in code. */
  readonly stages: ReadonlyMap<string, StageFactory>
  readonly presets: ReadonlyMap<string, Preset>
}

/** What a preset is called where a stage may have its name. */
export const PRESET = 'preset:'

let stock: Registry | undefined

/** The stages and presets that come with bywash. */
export function builtIn(): Registry {
  stock ??= {
    stages: catalogue,
    presets: new Map(presets.map(preset => [preset.name, preset])),
  }
  return stock
}

/**
 * Finds what makes the stage of a name, in camel or kebab case: a stage, or else a preset, which `preset:` names in any
 * case. Presets print their own lines, such as those of `counter`, with `log`.
 */
export function find(
  registry: Registry,
  name: string,
  log?: (line: string) => void,
): StageFactory | undefined {
  const preset = registry.presets.get(name.startsWith(PRESET) ? name.slice(PRESET.length) : name)
  return (
    registry.stages.get(name) ??
    registry.stages.get(camelCase(name)) ??
    (preset === undefined ? undefined : presetFactory(preset, log))
  )
}

/** How names are written: `max-length` in a text, `maxLength` in a file. */
export type Spelling = 'text' | 'file'

/** A name as it is written there. */
export function spelt(name: string, spelling: Spelling): string {
  return spelling === 'text' ? kebabCase(name) : name
}

/** Everything that `find` knows. */
export function namesOf({ stages, presets }: Registry, spelling: Spelling): readonly string[] {
  const own = [...stages.keys()].map(name => spelt(name, spelling))
  return [...own, ...[...presets.keys()].map(name => (own.includes(name) ? PRESET + name : name))]
}

function presetFactory(preset: Preset, log?: (line: string) => void): StageFactory {
  const { name, summary } = preset
  const make = (options: object = {}) =>
    preset.pipeline({ ...options, ...(log === undefined ? {} : { log }) })
  return Object.assign(make, {
    definition: {
      name: PRESET + name,
      summary,
      accepts: 'bytes',
      emits: 'bytes',
      arguments: {},
      options: presetOptions(preset),
      examples: [],
    } as const,
  })
}

/** `max-length` as `maxLength`. */
export function camelCase(name: string): string {
  return name.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
}

/** `maxLength` as `max-length`. */
export function kebabCase(name: string): string {
  return name.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)
}
