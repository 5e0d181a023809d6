import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { formatAddress } from '../../address.js'
import { printable } from '../../options/printable.js'
import { systemErrorText } from '../system-error-text.js'

/** Prints that a socket is connected and, later, by whom it was closed. */
export function noteConnection(socket: Socket, print: (line: string) => void): void {
  const { remoteAddress, remotePort } = socket
  const version = (socket as Partial<TLSSocket>).getProtocol?.()
  const peer = remoteAddress === undefined ? 'a unix socket' : formatAddress(remoteAddress, remotePort)
  print(`connected to ${peer}${version ? `, ${version}` : ''}`)
  const closers: string[] = []
  let failure: NodeJS.ErrnoException | undefined
  socket
    .once('end', () => void closers.push('by the server'))
    .once('finish', () => void closers.push('by us'))
    .once('error', error => {
      failure = error
    })
    .once('close', () => {
      const { bytesWritten, bytesRead } = socket
      const how = failure === undefined ? closers.join(', then ') || 'by us' : failureText(failure)
      print(`closed ${how}; ${bytesWritten} bytes sent, ${bytesRead} received`)
      // Most servers that speak TLS close without a word when a client does not.
      if (bytesRead === 0 && version === undefined)
        print('nothing was received; a server that speaks TLS needs --tls')
    })
}

function failureText(error: NodeJS.ErrnoException): string {
  const who = error.syscall === undefined ? 'by us' : 'by the server'
  return `${who}: ${printable(systemErrorText(error))}`
}

/** The type of a record that holds an alert, and the number of bytes of an alert that is not encrypted. */
const [ALERT, ALERT_BYTES] = [0x15, 2]

/** Whether the first bytes of a server are a TLS alert, with which it answers a client that does not speak TLS. */
export function isTlsAlert(bytes: Buffer): boolean {
  return bytes.length >= 7 && bytes[0] === ALERT && bytes[1] === 3 && bytes.readUInt16BE(3) === ALERT_BYTES
}
