import { formatAddress } from '../../address.js'
import { type Timer, unref } from '../../clock.js'
import type { Connection } from '../../connection.js'
import { sizeOf } from '../../kind.js'
import { printable } from '../../options/printable.js'
import type { Outcome } from '../../outcome.js'
import type { Book, Observed, TapHost } from '../book.js'
import type { ListedStage } from '../source.js'
import { showItem } from './show-item.js'
import type { Tap, TapEvent, TapPoint } from './tap-event.js'
import type { TapSettings } from './tap-options.js'

/** The last items that are kept of a connection while somebody waits for the reason of its end. */
const MAX_TAIL = 16
/** Connections of which they are kept at once; of further ones only the end is told. */
const MAX_TAILS = 1_000

const SECOND_MS = 1_000

/** Attaches a tap to the connections of a book: to those that are open, and to those that open from now on. */
export function attachTap(book: Book, settings: TapSettings, onEvent: (event: TapEvent) => void): Tap {
  book.taps ??= new Taps(book)
  return book.taps.add(settings, onEvent)
}

/** The taps at the connections of one book. It exists only while there is one, so that nobody else pays for it. */
class Taps implements TapHost {
  readonly #book: Book
  readonly #taps = new Set<OneTap>()
  /** The connections that are tapped, and by whom. */
  readonly #tapped = new Map<Observed, readonly OneTap[]>()

  constructor(book: Book) {
    this.#book = book
  }

  add(settings: TapSettings, onEvent: (event: TapEvent) => void): Tap {
    const tap = new OneTap(settings, onEvent, this.#book)
    this.#taps.add(tap)
    let connections = 0
    for (const each of this.#book.open) {
      if (this.#attach(each, [tap], 'attached')) connections++
    }
    return { connections, close: () => this.#remove(tap) }
  }

  /** Called when a connection has started. */
  opened(observed: Observed): void {
    this.#attach(observed, [...this.#taps], 'opened')
  }

  /** Called when the stages of a connection were opened, or are those of another list. */
  reopened(observed: Observed): void {
    if (this.#tapped.has(observed)) this.#see(observed)
  }

  /** Called when a connection is over. */
  ended(observed: Observed, outcome: Outcome): void {
    const taps = this.#tapped.get(observed)
    if (taps === undefined) return
    this.#tapped.delete(observed)
    observed.tap?.(undefined)
    for (const tap of taps) tap.closed(observed.connection, outcome)
  }

  #attach(observed: Observed, taps: readonly OneTap[], event: 'attached' | 'opened'): boolean {
    const interested = taps.filter(tap => isMeant(tap.settings, observed.connection))
    if (interested.length === 0) return false
    this.#tapped.set(observed, [...(this.#tapped.get(observed) ?? []), ...interested])
    for (const tap of interested) tap.begin(observed.connection, event)
    this.#see(observed)
    return true
  }

  #see(observed: Observed): void {
    const { id } = observed.connection
    observed.tap?.((point, item, index) => {
      const stage = index === undefined ? undefined : observed.stageBook?.listed[index]
      for (const tap of this.#tapped.get(observed) as readonly OneTap[])
        tap.item(id, point, item, stage, index)
    })
  }

  #remove(tap: OneTap): void {
    if (!this.#taps.delete(tap)) return
    tap.end()
    for (const [observed, taps] of this.#tapped) {
      const others = taps.filter(each => each !== tap)
      if (others.length === taps.length) continue
      if (others.length > 0) {
        this.#tapped.set(observed, others)
      } else {
        this.#tapped.delete(observed)
        observed.tap?.(undefined)
      }
    }
    if (this.#taps.size === 0) this.#book.taps = undefined
  }
}

/** Whether a connection is one that a tap asks for; one that waits for a reason asks for all. */
export function isMeant({ id, address }: TapSettings, connection: Connection): boolean {
  if (id !== undefined) return connection.id === id
  return address === undefined || plainAddress(connection.remoteAddress) === plainAddress(address)
}

/** An address as it is compared: a client of IPv4 has another form on a socket of IPv6. */
function plainAddress(address: string | undefined): string | undefined {
  return address?.toLowerCase().replace(/^::ffff:(?=[\d.]+$)/, '')
}

/** One tap: what it tells, and how much of it. */
class OneTap {
  readonly settings: TapSettings
  readonly #onEvent: (event: TapEvent) => void
  readonly #book: Book
  /** The last events of each connection whose end is waited for. */
  readonly #tails = new Map<number, TapEvent[]>()
  #secondBegan = -Infinity
  #told = 0
  #skipped = 0
  #timer: Timer

  constructor(settings: TapSettings, onEvent: (event: TapEvent) => void, book: Book) {
    this.settings = settings
    this.#onEvent = onEvent
    this.#book = book
  }

  begin(connection: Connection, event: 'attached' | 'opened'): void {
    if (this.settings.reason !== undefined) {
      if (this.#tails.size < MAX_TAILS) this.#tails.set(connection.id, [])
      return
    }
    this.#tell({ event, at: this.#book.now, id: connection.id, address: addressOf(connection) })
  }

  item(
    id: number,
    point: TapPoint,
    item: unknown,
    stage: ListedStage | undefined,
    index: number | undefined,
  ): void {
    const { reason, maxBytes } = this.settings
    const tail = this.#tails.get(id)
    // What is not told is not formatted either.
    if (reason === undefined ? !this.#claim() : tail === undefined) return
    const event: TapEvent = {
      event: 'item',
      at: this.#book.now,
      id,
      point,
      stage: stage?.stages.join(' | ') ?? null,
      index: index ?? null,
      size: Math.max(0, sizeOf(typeof item === 'string' ? 'line' : 'bytes', item)),
      ...showItem(item, maxBytes),
    }
    if (tail === undefined) {
      this.#onEvent(event)
      return
    }
    tail.push(event)
    if (tail.length > MAX_TAIL) tail.shift()
  }

  closed(connection: Connection, { reason, error, bytesRead, bytesWritten, duration }: Outcome): void {
    const { id, reason: wanted } = this.settings
    const tail = this.#tails.get(connection.id) ?? []
    this.#tails.delete(connection.id)
    if (wanted !== undefined && wanted !== reason) return
    for (const event of tail) this.#tell(event)
    const event: TapEvent = {
      event: 'closed',
      at: this.#book.now,
      id: connection.id,
      address: addressOf(connection),
      reason,
      message: error === undefined ? null : printable(error.message),
      bytesIn: bytesRead,
      bytesOut: bytesWritten,
      duration,
    }
    // Who has asked for one connection is to hear of its end.
    if (id === undefined) {
      this.#tell(event)
    } else {
      if (this.#skipped > 0) this.#tellSkipped()
      this.#onEvent(event)
    }
  }

  end(): void {
    this.#book.clock.clearTimeout(this.#timer)
    this.#tails.clear()
  }

  #tell(event: TapEvent): void {
    if (this.#claim()) this.#onEvent(event)
  }

  /** Whether one more event may be told in this second; it is counted where not. */
  #claim(): boolean {
    const now = this.#book.clock.now()
    if (now - this.#secondBegan >= SECOND_MS) {
      this.#secondBegan = now
      this.#told = 0
    }
    if (this.#told < this.settings.maxRate) {
      this.#told++
      return true
    }
    if (this.#skipped++ === 0) {
      this.#timer = this.#book.clock.setTimeout(() => this.#tellSkipped(), SECOND_MS)
      unref(this.#timer)
    }
    return false
  }

  #tellSkipped(): void {
    const count = this.#skipped
    this.#skipped = 0
    this.#book.clock.clearTimeout(this.#timer)
    this.#onEvent({ event: 'skipped', at: this.#book.now, count, because: 'rate' })
  }
}

function addressOf({ remoteAddress, remotePort }: Connection): string | null {
  return remoteAddress === undefined ? null : printable(formatAddress(remoteAddress, remotePort))
}
