import { dirname, resolve } from 'node:path'
import { readConfiguration } from '../../config/file/configuration.js'
import type { Environment } from '../../config/file/environment.js'
import { WorkerError } from '../../errors.js'
import { type Defined, DefinedListeners, ownWorker } from '../../listener/workers/defined-listeners.js'
import type { HandlersFor } from './listener-set.js'
import type { WorkerDefinition } from './worker-definition.js'

/** The surroundings in which a worker makes its listeners. */
interface Surroundings {
  readonly environment: Environment
  /** Gets the lines that presets print. */
  readonly log: (line: string) => void
  readonly handlersFor: HandlersFor
}

/**
 * Serves what the primary defines, where this process or thread is a worker; undefined in any other.
 *
 * @param path - The file, from whose folder relative paths start.
 */
export function serveInWorker(path: string, surroundings: Surroundings): DefinedListeners | undefined {
  const own = ownWorker()
  return (
    own && new DefinedListeners(own, definition => define(path, definition as WorkerDefinition, surroundings))
  )
}

/** Makes a listener of the file in a worker. */
export async function define(
  path: string,
  { text, name, listen }: WorkerDefinition,
  { environment, log, handlersFor }: Surroundings,
): Promise<Defined> {
  const folder = dirname(resolve(path))
  const { configuration, problems } = await readConfiguration(text, { environment, folder, log })
  const entry = configuration?.listeners.find(each => each.name === name)
  if (entry === undefined) {
    throw new WorkerError(`listener '${name}' cannot be made in a worker: ${problems[0]?.message}`)
  }
  return { pipeline: entry.pipeline, options: { ...listen, ...handlersFor({ ...entry, listen }) } }
}
