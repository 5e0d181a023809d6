import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type StageFactory, stageFactoryOf } from '../definition.js'
import { InvalidOptionError } from '../errors.js'
import { find, type Registry } from './registry.js'

/**
 * Adds the stages that modules export to a registry: functions made by `defineStage()`, stages and pipelines. Relative
 * paths start from the folder `base`.
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
  const exports = Object.entries(await load(path, base))
  // A stage that is exported under two names is added once.
  const seen = new Set<unknown>()
  return exports.flatMap(([name, value]) => {
    if (seen.has(value)) return []
    seen.add(value)
    return stageFactoryOf(name, value) ?? []
  })
}

async function load(path: string, base: string): Promise<Record<string, unknown>> {
  try {
    return await import(pathToFileURL(resolve(base, path)).href)
  } catch (error) {
    const { code, message = String(error) } = (error ?? {}) as NodeJS.ErrnoException
    if (code === 'ERR_UNKNOWN_FILE_EXTENSION') {
      throw new InvalidOptionError(
        `'${path}' cannot be imported: Node ${process.version} loads no such file. Name a JavaScript module; TypeScript needs Node 22.18 or later.`,
      )
    }
    throw new InvalidOptionError(`'${path}' cannot be imported: ${firstSentence(message)}.`)
  }
}

function firstSentence(message: string): string {
  return message.replace(/\.?(\n.*)?$/s, '')
}
