import { checkFunction, checkNames } from '../check-option.js'
import type { Connection } from '../connection.js'
import { stage, type TransformerStage } from '../stage.js'

/** What a counter knows of one connection. */
export interface Count {
  /** This connection's number: 1 for the first, then rising by one. */
  readonly number: number
  /** How many connections the counter has seen so far, this one and later ones included. */
  readonly total: number
}

/** Options of `counter()`. */
export interface CounterOptions {
  /** Called when a connection opens, before any byte is read. */
  readonly onOpen?: (count: Count, connection: Connection) => void
  /** Called when it is over, however it ended. */
  readonly onClose?: (count: Count, connection: Connection) => void
}

function ignore(): void {}

/**
 * Counts connections and passes items of any kind on unchanged. Each `counter()` counts for itself, so a pipeline
 * that two listeners share has one count.
 *
 * @throws InvalidOptionError for an option that does not exist or is not a function.
 * @example
 * pipeline().through(counter({ onOpen: ({ number }) => console.error(`client ${number}`) }))
 */
export function counter<Item = Buffer>(options: CounterOptions = {}): TransformerStage<Item, Item> {
  const { onOpen = ignore, onClose = ignore } = options
  checkNames('counter()', options, ['onOpen', 'onClose'])
  checkFunction('counter()', 'onOpen', onOpen)
  checkFunction('counter()', 'onClose', onClose)
  let total = 0
  return stage<Item, Item>({
    name: 'counter',
    accepts: 'any',
    emits: 'same',
    open: connection => {
      const number = ++total
      onOpen({ number, total }, connection)
      return { close: () => onClose({ number, total }, connection) }
    },
  })
}
