import type { Configuration } from '../../config/file/configuration.js'
import type { ListenOptions } from '../../listener/listen-options.js'

/** Definition of a listener of a file, as plain data, from which a worker makes it. */
export interface WorkerDefinition {
  /** The file in which the primary has found the listener: what is on disk may be newer. */
  readonly text: string
  readonly name: string
  /** Its options as the primary has read them, with their certificates. */
  readonly listen: ListenOptions
}

/** Makes the definition of a listener for its workers. */
export function workerDefinition(
  text: string,
  { name, listen }: Configuration['listeners'][number],
): WorkerDefinition {
  return { text, name, listen }
}
