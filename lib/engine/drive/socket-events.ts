import type { Duplex } from 'node:stream'

/** What hears of a duplex. */
interface Driver {
  read: (chunk: Buffer) => void
  end: () => void
  drain: () => void
  finished: () => void
  lost: (error: Error) => void
  closed: () => void
}

type Driven = Duplex & { [driver]?: Driver }

// One property on the duplex instead of six closures: an idle connection stays as small as a bare socket.
const driver = Symbol('bywash.driver')

/** Says whom the handlers below tell. */
export function setDriver(duplex: Duplex, by: Driver): void {
  const driven: Driven = duplex
  driven[driver] = by
}

export function onData(this: Driven, chunk: Buffer): void {
  this[driver]?.read(chunk)
}

export function onEnd(this: Driven): void {
  this[driver]?.end()
}

export function onDrain(this: Driven): void {
  this[driver]?.drain()
}

export function onFinish(this: Driven): void {
  this[driver]?.finished()
}

export function onError(this: Driven, error: Error): void {
  this[driver]?.lost(error)
}

export function onClose(this: Driven): void {
  this[driver]?.closed()
}
