import { type Connection, sharedCount } from '../../connection.js'
import { defineStage } from '../../define-stage.js'
import type { StageFactory } from '../../definition.js'
import { callback } from '../../options/option.js'
import type { OptionsOf } from '../../options/option-values.js'
import { stage, type TransformerStage } from '../../stage.js'
import { ownRejection } from './own-rejection.js'

/** Numbers that a counter has for one connection. */
export interface Count {
  /** This connection's number: 1 for the first, then rising by one. */
  readonly number: number
  /** Number of connections that the counter has seen so far, this one and later ones included. */
  readonly total: number
}

const OPTIONS = {
  onOpen: callback<(count: Count, connection: Connection) => void>({
    inCode: '(count, connection) => void',
    help: 'called when a connection opens, before any byte is read',
  }),
  onClose: callback<(count: Count, connection: Connection) => void>({
    inCode: '(count, connection) => void',
    help: 'called when it is over, however it ended',
  }),
}

/** Options of `counter()`. */
export type CounterOptions = OptionsOf<typeof OPTIONS>

function ignore(): void {}

/**
 * Counts connections. Takes items of any kind and emits them unchanged.
 *
 * Each call of `counter()` makes a count of its own, so two listeners that share a pipeline share its count. With
 * worker processes the count is that of the listener in all of them, and `onClose` is called a little later: once the
 * primary process has said how many there have been.
 *
 * @throws InvalidOptionError for an option that does not exist or is not a function.
 * @example
 * pipeline().through(counter({ onOpen: ({ number }) => console.error(`client ${number}`) }))
 */
export const counter = defineStage({
  name: 'counter',
  summary: 'numbers the connections, and passes everything on',
  accepts: 'any',
  emits: 'same',
  memory: {},
  options: OPTIONS,
  examples: ['counter'],
  make: ({ onOpen = ignore, onClose = ignore }) => {
    const callbacks = { onOpen, onClose }
    let total = 0
    const call = (name: 'onOpen' | 'onClose', count: Count, connection: Connection) =>
      ownRejection(callbacks[name](count, connection), 'counter', name, connection)
    return stage({
      name: 'counter',
      accepts: 'any',
      emits: 'same',
      open: connection => {
        const shared = sharedCount(connection)
        if (shared !== undefined) {
          const { number, askTotal } = shared
          call('onOpen', { number, total: number }, connection)
          return { close: () => askTotal(total => call('onClose', { number, total }, connection)) }
        }
        const number = ++total
        call('onOpen', { number, total }, connection)
        return { close: () => call('onClose', { number, total }, connection) }
      },
    })
  },
}) as StageFactory<<Item = Buffer>(options?: CounterOptions) => TransformerStage<Item, Item>>
