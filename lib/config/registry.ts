import type { StageFactory } from '../definition.js'
import { type Preset, presets } from '../presets/index.js'
import { catalogue } from '../stages/catalogue.js'

/** What a text or a file can name. */
export interface Registry {
  /** By their names, as in code. */
  readonly stages: ReadonlyMap<string, StageFactory>
  readonly presets: ReadonlyMap<string, Preset>
  /** Where presets print lines of their own, such as those of `counter`. @default nowhere */
  readonly log?: ((line: string) => void) | undefined
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
 * Finds the function that makes a stage by its name, in camel or kebab case: that of a stage, or else of a preset. With
 * `preset:` before the name it is the preset in any case.
 */
export function find({ stages, presets, log }: Registry, name: string): StageFactory | undefined {
  const preset = presets.get(name.startsWith(PRESET) ? name.slice(PRESET.length) : name)
  return stages.get(name) ?? stages.get(camelCase(name)) ?? (preset && stageOf(preset, log))
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

/** A preset as a function that makes a stage; its own lines go to `log`. */
function stageOf({ definition, pipeline }: Preset, log: Registry['log']): StageFactory {
  return Object.assign((options: object = {}) => pipeline({ ...options, ...(log && { log }) }), {
    definition,
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
