import type { AsyncResource } from 'node:async_hooks'
import type { Duplex } from 'node:stream'
import { StageError } from '../../errors.js'
import { dropRejection, isThenable } from '../../kind.js'

type Callback = (error?: Error | null, item?: unknown) => void
type Methods = Record<string, ((...parameters: unknown[]) => unknown) | undefined>

export function asError(cause: unknown): Error {
  return cause instanceof Error ? cause : new Error(String(cause))
}

/** Number of items that a call of a method gives to a stream. */
function countOf(method: string, items: unknown, isTransform: boolean): number {
  // The `_writev` of a Transform makes one item of several, and gives it to `_transform`, which counts it.
  if (method === '_writev') return (items as readonly unknown[]).length - (isTransform ? 1 : 0)
  return method === '_transform' || method === '_write' ? 1 : 0
}

/**
 * Makes every fault of a stage's own stream an 'error' event of that stream. Without this a throw in `_transform` is an
 * uncaught exception on Node 20 and 22 (nodejs/node#55270), a rejection is one on every version, and a callback that
 * is called twice repeats data without an error. The methods run in the scope, so that their timers belong to it.
 *
 * @param onTaken - Called each time the stream has dealt with items, before it is given more.
 */
export function guardStream(
  stage: string,
  stream: Duplex,
  scope: AsyncResource,
  onTaken: (count: number) => void,
): void {
  if (
    typeof stream?.write !== 'function' ||
    typeof stream.read !== 'function' ||
    typeof stream.on !== 'function'
  ) {
    dropRejection(stream)
    throw new StageError(stage, 'must open a Duplex, such as a Transform.')
  }
  const methods = stream as unknown as Methods
  const isTransform = typeof methods._transform === 'function'
  for (const name of isTransform
    ? ['_transform', '_flush', '_writev']
    : ['_write', '_writev', '_final', '_read']) {
    const original = methods[name]
    if (typeof original !== 'function') continue
    methods[name] = (...parameters) => {
      const callback = parameters.at(-1)
      if (typeof callback === 'function')
        parameters[parameters.length - 1] = once(
          callback as Callback,
          name,
          countOf(name, parameters[0], isTransform),
        )
      try {
        const result = scope.runInAsyncScope(original, stream, ...parameters)
        if (isThenable(result)) result.then(undefined, cause => stream.destroy(asError(cause)))
      } catch (cause) {
        stream.destroy(asError(cause))
      }
    }
  }

  function once(callback: Callback, name: string, count: number): Callback {
    let called = false
    return (error, item) => {
      if (called) {
        stream.destroy(new StageError(stage, `called the callback of ${name} twice.`))
      } else {
        called = true
        // Pushed here, and not by the callback, which may also give the stream its next item.
        if (!error && item !== undefined && item !== null) stream.push(item)
        onTaken(count)
        callback(error)
      }
    }
  }
}
