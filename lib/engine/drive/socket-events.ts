// The event handlers that all duplexes share. Each finds the driver of its duplex through one property, which takes far less
// memory for each connection than six closures would.

import type { Duplex } from 'node:stream'
import { reader, type SocketReader, setReader } from '../../net/socket-reader.js'

/** The events of a duplex, as its driver handles them. */
export interface SocketEvents extends SocketReader {
  /** The peer has sent FIN, and everything before it was read. */
  onEnd: () => void
  /** The duplex takes output again. */
  onDrain: () => void
  /** All output, and our FIN behind it, was handed to the kernel. */
  onFinish: () => void
  onError: (error: Error) => void
  onClose: () => void
}

type Driven = Duplex & { [reader]?: SocketEvents }

export function setDriver(duplex: Duplex, by: SocketEvents): void {
  setReader(duplex, by)
}

export function onData(this: Driven, chunk: Buffer): void {
  this[reader]?.onData(chunk)
}

export function onEnd(this: Driven): void {
  this[reader]?.onEnd()
}

export function onDrain(this: Driven): void {
  this[reader]?.onDrain()
}

export function onFinish(this: Driven): void {
  this[reader]?.onFinish()
}

export function onError(this: Driven, error: Error): void {
  this[reader]?.onError(error)
}

export function onClose(this: Driven): void {
  this[reader]?.onClose()
}
