// Node's way to read into memory of the user, for sockets that were accepted. net.connect() has the option `onread` for it;
// an accepted socket has only the fields that this option sets, which stand behind symbols. So they are looked for, and
// tried on a pair of sockets, and where anything is not as expected nobody uses them.

import { once } from 'node:events'
import { type AddressInfo, createConnection, createServer, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import { InvalidOptionError } from '../../errors.js'

/** The memory that connections are read into: one that is used again, or a fresh one for each read, as Node does by itself. */
export type ReadMode = 'reused' | 'fresh'

/** The environment variable that may say `fresh`. */
export const READS_VARIABLE = 'BYWASH_READS'
/** The time that the trial may take. It needs a millisecond or two. */
const TRIAL_MS = 2_000

/** Called with the number of bytes that were read, and with the memory; `this` is the socket. False stops the reading until `resume()`. */
export type OnRead = (this: Socket, length: number, memory: Buffer) => boolean

/** The fields of a socket, by the names that Node gives to their symbols. */
interface Symbols {
  readonly kBuffer: symbol
  readonly kBufferCb: symbol
  readonly kBufferGen: symbol
}

type Fields = Record<symbol, unknown>
type Handle = { readonly reading?: boolean; readonly useUserBuffer?: (memory: Buffer) => void }

/** Sets where a socket is read to. */
export class UserBuffers {
  readonly #symbols: Symbols

  constructor(symbols: Symbols) {
    this.#symbols = symbols
  }

  /**
   * Reads a socket into memory from now on.
   *
   * @param next - Called behind `onRead`, without `this`; the memory that it returns takes the place of the one before.
   */
  install(socket: Socket, memory: Buffer, onRead: OnRead, next: () => Buffer | undefined): void {
    const { kBufferCb, kBufferGen } = this.#symbols
    const fields = socket as unknown as Fields
    fields[kBufferCb] = onRead
    fields[kBufferGen] = next
    // That of a socket would also stop the reading at once, so that neither FIN nor a reset would be heard of.
    socket.pause = Readable.prototype.pause as Socket['pause']
    this.replace(socket, memory)
  }

  /** Lets go of the memory of a socket that is closed: somebody may keep the socket. */
  forget(socket: Socket): void {
    ;(socket as unknown as Fields)[this.#symbols.kBuffer] = null
  }

  /** Replaces the memory outside of a read. Node keeps a few bytes for each such call until the socket is closed. */
  replace(socket: Socket, memory: Buffer): void {
    ;(socket as unknown as Fields)[this.#symbols.kBuffer] = memory
    ;(handleOf(socket) as Required<Handle>).useUserBuffer(memory)
  }
}

export function handleOf(socket: Socket): Handle | null | undefined {
  return (socket as unknown as { readonly _handle?: Handle | null })._handle
}

/** The user buffers of this version of Node, by the fields of a socket; undefined where those are not as expected. */
export function findUserBuffers(example: object): UserBuffers | undefined {
  const symbols = Object.getOwnPropertySymbols(example)
  const found = (['kBuffer', 'kBufferCb', 'kBufferGen'] as const).map(name => [
    name,
    symbols.find(({ description }) => description === name),
  ])
  if (found.some(([, symbol]) => symbol === undefined)) return undefined
  return new UserBuffers(Object.fromEntries(found))
}

/** The wish of an environment. */
export function readMode(environment: NodeJS.ProcessEnv): ReadMode {
  const mode = environment[READS_VARIABLE] ?? 'reused'
  if (mode === 'reused' || mode === 'fresh') return mode
  throw new InvalidOptionError(
    `The environment variable ${READS_VARIABLE} is '${mode}'; set it to 'fresh', or leave it out.`,
  )
}

/**
 * Resolves with user buffers once a pair of sockets has shown that they work, and with undefined where they do not. Never
 * rejects.
 */
export async function proved(
  buffers: UserBuffers,
  platform: NodeJS.Platform = process.platform,
  timeout = TRIAL_MS,
): Promise<UserBuffers | undefined> {
  const server = createServer({ allowHalfOpen: true })
  const sockets: Socket[] = []
  const closed: Promise<unknown>[] = []
  const enter = (socket: Socket) => {
    sockets.push(socket)
    closed.push(new Promise(resolve => socket.on('close', resolve)))
    return socket
  }
  let timer: NodeJS.Timeout | undefined
  const trial = new Promise<void>((resolve, reject) => {
    timer = setTimeout(reject, timeout)
    server.on('error', reject).on('connection', socket => {
      enter(socket).on('error', reject)
      tryOn(buffers, socket, sockets[0] as Socket).then(resolve, reject)
    })
    server.listen(trialAddress(platform), () => {
      enter(createConnection(clientAddress(server.address()))).on('error', reject)
    })
  })
  const isProved = await trial.then(
    () => true,
    () => false,
  )
  clearTimeout(timer)
  for (const socket of sockets) socket.destroy()
  // Nothing of it is left when the listener opens, for one that counts descriptors.
  await Promise.all([...closed, new Promise(resolve => server.close(resolve))])
  return isProved ? buffers : undefined
}

/** `exclusive`, since in a worker of node:cluster it would be the primary that listens. */
function trialAddress(platform: NodeJS.Platform) {
  // On Linux a name for which there is no file, and which no firewall knows.
  return platform === 'linux'
    ? { path: `\0bywash-reads-${process.pid}-${Math.random()}`, exclusive: true }
    : { host: '127.0.0.1', port: 0, exclusive: true }
}

function clientAddress(bound: AddressInfo | string | null) {
  return typeof bound === 'string'
    ? { path: bound }
    : { host: '127.0.0.1', port: (bound as AddressInfo).port }
}

/** Tries everything that the reading of connections relies on, and throws where something is different. */
async function tryOn(buffers: UserBuffers, socket: Socket, client: Socket): Promise<void> {
  const [first, second, third] = ['1', '2', '3'].map(() => Buffer.alloc(8)) as [Buffer, Buffer, Buffer]
  let next: Buffer | undefined
  let goesOn = true
  let onRead: (read: readonly unknown[]) => void
  const expectRead = async (text: string, memory: Buffer) => {
    client.write(text)
    const [by, length, used] = await new Promise<readonly unknown[]>(resolve => {
      onRead = resolve
    })
    expect(by === socket && length === text.length && used === memory)
    expect(memory.toString('latin1', 0, text.length) === text)
  }
  const take = function (this: Socket, length: number, memory: Buffer): boolean {
    onRead([this, length, memory])
    return goesOn
  }
  buffers.install(socket, first, take, () => {
    const given = next
    next = undefined
    return given
  })
  socket.on('data', () => onRead([]))
  next = second
  await expectRead('one', first)
  await expectRead('second', second)
  buffers.replace(socket, third)
  await expectRead('third', third)
  goesOn = false
  await expectRead('fourth', third)
  expect(handleOf(socket)?.reading === false)
  socket.resume()
  expect(handleOf(socket)?.reading === true)
  const ended = once(socket, 'end')
  client.end()
  await ended
}

function expect(isSo: boolean): void {
  if (!isSo) throw new Error('User buffers work in another way here.')
}
