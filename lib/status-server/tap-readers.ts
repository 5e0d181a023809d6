import type { ServerResponse } from 'node:http'
import { type Clock, type Timer, unref } from '../clock.js'
import type { Tap, TapEvent } from '../status/taps/tap-event.js'
import { type TapOptions, type TapSettings, tapSettings } from '../status/taps/tap-options.js'
import type { Refusal } from './access.js'
import { type StatusSource, type StatusSources, sourcesIn } from './status-source.js'

/** Readers of `/tap` at once: people, and few of them. */
const MAX_READERS = 4

/** Bytes that may wait for a reader; while there are more, its events are counted instead of written. */
const MAX_WAITING_BYTES = 65_536

/** The interval of the comments that keep a socket open: one that is silent for 30 s is closed. */
const HEARTBEAT_MS = 10_000

/** The readers of `/tap`. */
export class TapReaders {
  readonly #sources: StatusSources
  readonly #clock: Clock
  readonly #readers = new Set<TapReader>()

  constructor(sources: StatusSources, clock: Clock) {
    this.#sources = sources
    this.#clock = clock
  }

  /** Attaches the taps that a query asks for, and writes what they tell to a response; or says why not. */
  async add(
    query: URLSearchParams,
    response: ServerResponse,
    head: () => void,
  ): Promise<Refusal | undefined> {
    if (this.#readers.size >= MAX_READERS) {
      return {
        status: 503,
        text: `There are ${MAX_READERS} taps already; end one of them.`,
        headers: { 'Retry-After': '10' },
      }
    }
    const settings = settingsOf(query)
    if (typeof settings === 'string') return { status: 400, text: settings }
    const sources = sourcesIn(this.#sources).filter(({ tap }) => tap !== undefined)
    const reader = new TapReader(response, settings, this.#clock)
    this.#readers.add(reader)
    // Before anything is waited for: a client may go away at any time.
    response.on('close', () => {
      this.#readers.delete(reader)
      reader.close()
    })
    const taps = await attachAll(sources, settings, event => reader.tell(event))
    const { id } = settings
    if (id !== undefined && taps.every(({ connections }) => connections === 0)) {
      for (const tap of taps) tap.close()
      return {
        status: 404,
        text: `No connection with the number ${id} is open. The numbers are in the log (--log text), and in the lists of 'bywash top'.`,
      }
    }
    head()
    reader.begin(taps)
    return undefined
  }

  /** Ends all of them. */
  close(): void {
    for (const reader of this.#readers) reader.end()
  }
}

/** Attaches a tap to each source, or to none. */
async function attachAll(
  sources: readonly StatusSource[],
  settings: TapSettings,
  onEvent: (event: TapEvent) => void,
): Promise<readonly Tap[]> {
  const all = await Promise.allSettled(sources.map(source => source.tap?.(settings, onEvent) as Promise<Tap>))
  const taps = all.flatMap(each => (each.status === 'fulfilled' ? [each.value] : []))
  for (const each of all) {
    if (each.status === 'fulfilled') continue
    for (const tap of taps) tap.close()
    throw each.reason
  }
  return taps
}

/** The settings that a query has, or what is wrong with it. */
function settingsOf(query: URLSearchParams): TapSettings | string {
  try {
    return tapSettings(Object.fromEntries(query) as TapOptions)
  } catch (error) {
    return (error as Error).message
  }
}

/** One reader: what is told to it, and how much of that it misses. */
class TapReader {
  readonly #response: ServerResponse
  readonly #settings: TapSettings
  readonly #clock: Clock
  /** Events from before the head of the response was written. */
  #early: TapEvent[] | undefined = []
  #taps: readonly Tap[] = []
  #missed = 0
  #timer: Timer
  #isOver = false

  constructor(response: ServerResponse, settings: TapSettings, clock: Clock) {
    this.#response = response
    this.#settings = settings
    this.#clock = clock
  }

  /** Begins to write, behind the head. */
  begin(taps: readonly Tap[]): void {
    this.#taps = taps
    if (this.#isOver) {
      for (const tap of taps) tap.close()
      return
    }
    const early = this.#early as readonly TapEvent[]
    this.#early = undefined
    this.#beat()
    for (const event of early) this.tell(event)
  }

  tell(event: TapEvent): void {
    if (this.#isOver) return
    if (this.#early !== undefined) {
      this.#early.push(event)
      return
    }
    if (this.#hasRoom) this.#write(event)
    else this.#missed++
    // The one connection that was asked for is over.
    if (event.event === 'closed' && this.#settings.id !== undefined) this.end()
  }

  /** Whether the reader takes more. What it has missed is told first. */
  get #hasRoom(): boolean {
    if (this.#response.writableLength > MAX_WAITING_BYTES) return false
    if (this.#missed > 0) {
      const count = this.#missed
      this.#missed = 0
      this.#write({ event: 'skipped', at: Date.now(), count, because: 'reader' })
    }
    return true
  }

  #write(event: TapEvent): void {
    this.#response.write(`event: tap\ndata: ${JSON.stringify(event)}\n\n`)
  }

  #beat(): void {
    if (this.#hasRoom) this.#response.write(':\n\n')
    this.#timer = this.#clock.setTimeout(() => this.#beat(), HEARTBEAT_MS)
    unref(this.#timer)
  }

  /** Ends the response. */
  end(): void {
    this.#response.end()
    this.close()
  }

  /** Ends the taps. */
  close(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#clock.clearTimeout(this.#timer)
    for (const tap of this.#taps) tap.close()
  }
}
