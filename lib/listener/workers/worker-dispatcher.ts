import type { Socket } from 'node:net'
import { Connection } from '../../connection.js'
import type { WorkerError } from '../../errors.js'
import { OPEN_FILES } from '../../open-files.js'
import type { Reason } from '../../outcome.js'
import { Book } from '../../status/book.js'
import type { OnGone } from '../dispatcher.js'
import type { LocalSettings } from '../local-settings.js'
import type { ServerAcceptor } from '../server-acceptor.js'
import { stopReading } from '../socket-options.js'
import type { ServedConnection, WorkerListenerMessage } from './messages.js'
import type { WorkerPool } from './pool.js'
import { PrimaryDispatcher } from './primary-dispatcher.js'
import type { WorkerProcess } from './worker-process.js'

/** An open connection, as the primary keeps it. */
interface OpenConnection {
  readonly connection: Connection
  readonly openedAt: number
  /** The facts that its worker is sent. */
  readonly served: ServedConnection
  /** The worker that it was sent to; undefined while no worker is ready. */
  worker: WorkerProcess | undefined
  /** Kept until the worker has taken it: if the worker dies before, the socket is sent to another one. */
  socket: Socket | undefined
}

/** Dispatcher of the primary: sends sockets to workers, and keeps a list of the connections that they serve. */
export class WorkerDispatcher extends PrimaryDispatcher {
  readonly book: Book
  readonly #onGone: OnGone
  readonly #open = new Map<number, OpenConnection>()
  readonly #emptyCallbacks: (() => void)[] = []
  #total = 0

  constructor(name: string, pool: WorkerPool, local: LocalSettings, { address, onGone }: ServerAcceptor) {
    super(name, pool, local, address)
    const { clock, observe } = local.settings
    this.book = new Book(clock, observe, () => [])
    this.book.serve(local.plan.listed)
    this.#onGone = onGone
    pool.add(this)
  }

  get connections(): number {
    return this.#open.size
  }

  get hasRoom(): boolean {
    const worker = this.pool.leastLoaded(this.name)
    // Without a worker, connections wait in this process.
    return (worker?.connections ?? this.#open.size) < OPEN_FILES.capacity
  }

  serve(socket: Socket, served: Connection, head?: Buffer): void {
    const { id, clock, remoteAddress, remotePort } = served
    const number = ++this.#total
    this.book.opened()
    // Node keeps a list, for each worker, of the sent sockets that have a server. When the server closes, it waits for
    // the answer of each worker, for ever if a worker has died. A socket without its server is not on the list.
    Object.assign(socket, { server: undefined })
    const connection = new Connection(id, { remoteAddress, remotePort }, clock)
    const open: OpenConnection = {
      connection,
      openedAt: clock.now(),
      // Nothing but its header was read here.
      served: socket.bytesRead === 0 ? { id, number } : withHeader(served, number, head),
      worker: undefined,
      socket,
    }
    // The rest is the worker's.
    if (open.served.ends !== undefined) stopReading(socket)
    this.#open.set(id, open)
    this.#assign(open)
  }

  async empty(): Promise<void> {
    if (this.#open.size > 0) await new Promise<void>(resolve => this.#emptyCallbacks.push(resolve))
  }

  override onMessage(worker: WorkerProcess, message: WorkerListenerMessage): void {
    switch (message.bywash) {
      case 'taken':
        this.#onTaken(message.id)
        break
      case 'over':
        this.#end(message.id, message.reason)
        break
      case 'count':
        worker.send({ bywash: 'total', listener: this.name, total: this.#total })
        break
      case 'leaving':
        this.#reassignUntaken(worker)
        break
      default:
        super.onMessage(worker, message)
    }
  }

  protected openConnections(): readonly Connection[] {
    return [...this.#open.values()].map(({ connection }) => connection)
  }

  protected onServing(): void {
    for (const open of this.#open.values()) if (open.worker === undefined) this.#assign(open)
  }

  protected onLost(worker: WorkerProcess, error: WorkerError): void {
    this.#reassignUntaken(worker)
    for (const open of this.#open.values()) {
      if (open.worker === worker) this.#cutOff(open, 'worker-died', error)
    }
  }

  protected onClosing(): void {
    for (const open of this.#open.values()) if (open.worker === undefined) this.#cutOff(open, 'shutdown')
  }

  #assign(open: OpenConnection): void {
    const worker = this.pool.choose(this.name)
    open.worker = worker
    if (worker !== undefined) {
      worker.connections++
      worker.send({ bywash: 'serve', listener: this.name, ...open.served }, open.socket)
    } else if (this.isClosing) {
      this.#cutOff(open, 'shutdown')
    }
  }

  /** Sends the connections that a worker has not taken to other workers. */
  #reassignUntaken(worker: WorkerProcess): void {
    for (const open of this.#open.values()) {
      if (open.worker !== worker || open.socket === undefined) continue
      worker.connections--
      this.#assign(open)
    }
  }

  /** Closes the primary's copy of a socket, since the worker has its own now. */
  #onTaken(id: number): void {
    const open = this.#open.get(id) as OpenConnection
    open.socket?.destroy()
    open.socket = undefined
  }

  #cutOff(open: OpenConnection, reason: Reason, error?: WorkerError): void {
    const { connection, openedAt } = open
    const duration = Math.round(connection.clock.now() - openedAt)
    open.socket?.destroy()
    this.#end(connection.id, reason)
    this.tellLost(connection, reason, duration, error)
  }

  #end(id: number, reason: Reason): void {
    const { connection, worker } = this.#open.get(id) as OpenConnection
    this.#open.delete(id)
    if (reason === 'refused') this.book.turnedAway()
    else this.book.ended({ reason, error: undefined, bytesRead: 0, bytesWritten: 0, duration: 0 })
    if (worker !== undefined) worker.connections--
    this.#onGone(connection, reason)
    if (this.#open.size === 0) for (const callback of this.#emptyCallbacks.splice(0)) callback()
  }
}

/** The facts about a connection whose PROXY header was read. */
function withHeader(connection: Connection, number: number, head: Buffer | undefined): ServedConnection {
  const { id, remoteAddress, remotePort, localAddress, localPort } = connection
  const ends = { remoteAddress, remotePort, localAddress, localPort }
  return { id, number, ends, ...(head && { head: head.toString('base64') }) }
}
