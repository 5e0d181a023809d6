// The event handlers that all duplexes share. Each finds the driver of its duplex through one property, which takes far less
// memory for each connection than six closures would.

import type { Duplex } from 'node:stream'
import type { ChunkUse } from '../flow/chunk-use.js'

/** The events of a duplex, as its driver handles them. */
export interface SocketEvents {
  /** The user of the memory of the next chunk when `onData` has returned. */
  readonly chunkUse: ChunkUse
  /** Whether the socket holds no output any more. */
  readonly isFlushed: boolean
  onData: (chunk: Buffer) => void
  /** The peer has sent FIN, and everything before it was read. */
  onEnd: () => void
  /** The duplex takes output again. */
  onDrain: () => void
  /** All output, and our FIN behind it, was handed to the kernel. */
  onFinish: () => void
  onError: (error: Error) => void
  onClose: () => void
}

type Driven = Duplex & { [driver]?: SocketEvents }

const driver = Symbol('bywash.driver')

export function setDriver(duplex: Duplex, by: SocketEvents): void {
  const driven: Driven = duplex
  driven[driver] = by
}

/** The driver of a duplex that has one. */
export function driverOf(duplex: Duplex): SocketEvents {
  return (duplex as Driven)[driver] as SocketEvents
}

export function onData(this: Driven, chunk: Buffer): void {
  this[driver]?.onData(chunk)
}

export function onEnd(this: Driven): void {
  this[driver]?.onEnd()
}

export function onDrain(this: Driven): void {
  this[driver]?.onDrain()
}

export function onFinish(this: Driven): void {
  this[driver]?.onFinish()
}

export function onError(this: Driven, error: Error): void {
  this[driver]?.onError(error)
}

export function onClose(this: Driven): void {
  this[driver]?.onClose()
}
