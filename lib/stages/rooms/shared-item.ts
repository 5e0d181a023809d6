import { ITEM_BYTES } from '../../kind.js'
import type { Encoded, HoldingController } from '../../stage.js'

/**
 * An item for many connections, and its bytes, which are made once for all connections of a list.
 *
 * @internal
 */
export class SharedItem<T> {
  readonly item: T
  /** The size in bytes or characters, with the memory that it takes beside them; of a value only that. */
  readonly size: number
  readonly #encoded = new Map<object, Encoded | undefined>()

  constructor(item: T) {
    this.item = item
    this.size = ITEM_BYTES + (typeof item === 'string' || Buffer.isBuffer(item) ? item.length : 0)
  }

  send(controller: HoldingController<T>): void {
    const { encoders } = controller
    if (encoders === undefined) {
      controller.enqueue(this.item)
      return
    }
    let encoded = this.#encoded.get(encoders)
    if (encoded === undefined && !this.#encoded.has(encoders)) {
      encoded = controller.encode(this.item)
      this.#encoded.set(encoders, encoded)
    }
    // Where an encoder fails, each connection fails by itself.
    if (encoded === undefined) controller.enqueue(this.item)
    else controller.enqueueEncoded(encoded)
  }
}
