import type { StageFactory } from '../definition.js'
import { type Preset, presets } from '../presets/index.js'
import { catalogue } from '../stages/catalogue.js'

/** The stages and presets that a text or a file can name. */
export interface Registry {
  /** By name, in camel case as in code. */
  readonly stages: ReadonlyMap<string, StageFactory>
  readonly presets: ReadonlyMap<string, Preset>
  /** Gets the lines that presets print, such as those of `counter`. @default nobody */
  readonly log?: ((line: string) => void) | undefined
}

/** The prefix that makes a name mean the preset where a stage has the same name. */
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

/** The place that a name is written in: it is `max-length` in a text, and `maxLength` in a file. */
export type Spelling = 'text' | 'file'

/** Writes a name as it is in a text or in a file. */
export function spelt(name: string, spelling: Spelling): string {
  return spelling === 'text' ? kebabCase(name) : name
}

/** All names that `find` knows; a preset that shares its name with a stage has the prefix. */
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

/** Turns `max-length` into `maxLength`. */
export function camelCase(name: string): string {
  return name.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
}

/** Turns `maxLength` into `max-length`. */
export function kebabCase(name: string): string {
  return name.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)
}
