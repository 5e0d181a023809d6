import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type StageFactory, stageFactoryOf } from '../definition.js'
import { InvalidOptionError } from '../errors.js'
import { find, type Registry } from './registry.js'

/**
 * Adds what modules export to what can be named: functions made by `defineStage()`, and stages. A path is taken from
 * the folder `base`.
 *
 * @throws InvalidOptionError when a module cannot be loaded, exports no stage, or one whose name is taken.
 */
export async function withImports(
  registry: Registry,
  paths: readonly string[],
  base: string,
): Promise<Registry> {
  const stages = new Map(registry.stages)
  for (const path of paths) {
    const own = await stagesOf(path, base)
    if (own.length === 0) {
      throw new InvalidOptionError(
        `'${path}' exports no stage. Export what defineStage(), map() or stage() gives: export const shout = map(...).`,
      )
    }
    for (const factory of own) {
      const { name } = factory.definition
      if (find({ ...registry, stages }, name) !== undefined) {
        throw new InvalidOptionError(
          `'${path}' exports a stage named '${name}', but there is one already. Give it another name.`,
        )
      }
      stages.set(name, factory)
    }
  }
  return { ...registry, stages }
}

async function stagesOf(path: string, base: string): Promise<readonly StageFactory[]> {
  const exports = await load(path, base)
  // What a module exports under two names is one stage.
  return [...new Set(Object.values(exports))].flatMap(value => stageFactoryOf(value) ?? [])
}

async function load(path: string, base: string): Promise<Record<string, unknown>> {
  try {
    return await import(pathToFileURL(resolve(base, path)).href)
  } catch (error) {
    const [reason = ''] = (error instanceof Error ? error.message : String(error)).split('\n')
    throw new InvalidOptionError(`'${path}' cannot be imported: ${reason}.`)
  }
}
