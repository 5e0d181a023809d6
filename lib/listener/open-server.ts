import { once } from 'node:events'
import type { Server } from 'node:net'
import { formatAddress } from '../address.js'
import { BindError } from '../errors.js'
import type { ListenAddress } from './address/listen-address.js'
import { takeDescriptor } from './address/systemd.js'
import { openUnixSocket } from './address/unix-socket.js'

/** Makes a server listen; the message of the BindError that it may throw says what to change. */
export async function openServer(server: Server, address: ListenAddress): Promise<void> {
  try {
    if ('path' in address) {
      await openUnixSocket(server, address)
      return
    }
    server.listen('fd' in address ? { ...address, fd: takeDescriptor(address.fd) } : address)
    await once(server, 'listening')
  } catch (cause) {
    throw cause instanceof BindError
      ? cause
      : new BindError(`bind failed: ${reasonOf(cause as NodeJS.ErrnoException, address)}`, { cause })
  }
}

function reasonOf(error: NodeJS.ErrnoException, address: ListenAddress): string {
  if ('path' in address) return unixReason(error, address.path)
  if ('fd' in address) return `descriptor ${address.fd} is not a socket that listens (${error.code})`
  return tcpReason(error, address.host, address.port)
}

function tcpReason({ code, message }: NodeJS.ErrnoException, host: string, port: number): string {
  const address = formatAddress(host, port)
  switch (code) {
    case 'EADDRINUSE':
      return `${address} is already in use; choose another port, or stop the program that has it`
    case 'EACCES':
      return `no permission to bind ${address}; choose a port from 1024 up`
    case 'EADDRNOTAVAIL':
      return `${host} is not an address of this machine`
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `there is no host named ${host}`
    default:
      return message
  }
}

function unixReason({ code, message }: NodeJS.ErrnoException, path: string): string {
  // libuv reports EACCES for a directory that does not exist, too.
  return code === 'EACCES' ? `cannot make ${path}; its directory does not exist, or is not writable` : message
}
