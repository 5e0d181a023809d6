/** The events of a bus, which a hub handles. */
export interface BusEvents {
  /** Called with each message that another process has published to a channel that this one has subscribed to. */
  readonly receive: (channel: string, message: string) => void
  /** Called with the number of messages that are lost for other processes after `publish` has taken them. */
  readonly lose: (count: number) => void
}

/** How many characters of messages may wait for the server, or the primary, to take them before more are lost. */
export const MAX_WAITING = 1_048_576

/** A hub's connection to its bus. None of its functions throws, or waits. */
export interface BusConnection {
  /**
   * Takes a message for the other processes; false where it cannot, so that the message is lost for them. What it takes waits
   * in bounded memory, if at all.
   */
  readonly publish: (channel: string, message: string) => boolean
  readonly subscribe: (channel: string) => void
  readonly unsubscribe: (channel: string) => void
  /** Resolves when the connection is closed. */
  readonly close: () => Promise<void>
}

/** Carries what is published to a hub to the hubs of the same name in other processes. */
export interface Bus {
  readonly connect: (events: BusEvents) => BusConnection
}

/** A message on a bus: who has sent it, how many that process has sent to this channel with it, and the item. */
export interface BusMessage {
  readonly origin: string
  readonly sequence: number
  readonly item: unknown
}

/** Writes a message as JSON text; Buffers are in base64. */
export function encodeMessage({ origin, sequence, item }: BusMessage): string {
  return Buffer.isBuffer(item)
    ? JSON.stringify([origin, sequence, item.toString('base64'), 'base64'])
    : JSON.stringify([origin, sequence, item])
}

/** Reads a message; undefined for a text that is none. */
export function decodeMessage(text: string): BusMessage | undefined {
  let parts: unknown
  try {
    parts = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!Array.isArray(parts)) return undefined
  const [origin, sequence, item, encoding] = parts
  if (typeof origin !== 'string' || !Number.isSafeInteger(sequence) || item === undefined || item === null) {
    return undefined
  }
  if (encoding !== 'base64') return { origin, sequence, item }
  return typeof item === 'string' ? { origin, sequence, item: Buffer.from(item, 'base64') } : undefined
}
