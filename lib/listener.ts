import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { formatAddress } from './address.js'
import { checkInteger, checkNames } from './check-option.js'
import { Connection } from './connection.js'
import { driveSettings, LONGEST_TIMEOUT } from './connection-options.js'
import { Drive, type DriveSettings, guarded } from './engine/duplex.js'
import { flowOf, load } from './engine/open-flow.js'
import { BindError } from './errors.js'
import { type ListenOptions, type ListenSettings, listenSettings } from './listen-options.js'
import type { Outcome } from './outcome.js'
import { type Pipeline, planOf } from './pipeline.js'
import type { Plan } from './plan.js'

/** Binds an address; `listen()` is the public way to it. */
export async function bind(pipeline: Pipeline<Buffer, Buffer>, options: ListenOptions): Promise<Listener> {
  const settings = listenSettings(options)
  const plan = planOf(pipeline, 'listen()', settings.plan)
  const drives = driveSettings('listen()', options)
  settings.signal?.throwIfAborted()
  await load(plan)
  const server = createServer({ allowHalfOpen: true, ...settings.socket })
  server.listen(settings.bind)
  try {
    await once(server, 'listening')
  } catch (cause) {
    const { host, port } = settings.bind
    throw new BindError(`bind failed: ${reasonOf(cause as NodeJS.ErrnoException, host, port)}`, { cause })
  }
  const listener = new Listener(server, plan, settings, drives)
  if (settings.signal?.aborted) await listener.close()
  settings.signal?.throwIfAborted()
  return listener
}

function reasonOf({ code, message }: NodeJS.ErrnoException, host: string, port: number): string {
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

/** The accepting side of a running server. `listen()` makes it. */
export class Listener {
  readonly #server: Server
  readonly #plan: Plan
  readonly #settings: ListenSettings
  readonly #driveSettings: DriveSettings
  readonly #drives = new Set<Drive>()
  #accepted = 0
  #forced = 0
  #closed: Promise<void> | undefined
  #finish: (() => void) | undefined

  constructor(server: Server, plan: Plan, settings: ListenSettings, drives: Omit<DriveSettings, 'onDone'>) {
    this.#server = server
    this.address = server.address() as AddressInfo
    this.#plan = plan
    this.#settings = settings
    this.#driveSettings = { ...drives, onDone: this.#onDone }
    server.on('connection', socket => this.#accept(socket))
    // A connection that could not be accepted is no reason to end the others.
    server.on('error', error => process.emitWarning(error))
    settings.signal?.addEventListener('abort', this.#onAbort)
  }

  /** The bound address, with the real port where port 0 was asked for. */
  readonly address: AddressInfo

  /** How many connections are open. */
  get connections(): number {
    return this.#drives.size
  }

  /**
   * Stops accepting, lets open connections finish, and destroys those that are left after `timeout` milliseconds
   * (their outcome is `shutdown`). Resolves when the last is closed. A second call may shorten the time.
   *
   * @throws InvalidOptionError for a wrong timeout.
   */
  async close(options: { readonly timeout?: number } = {}): Promise<{ readonly forced: number }> {
    const { timeout = this.#settings.shutdownTimeout } = options
    checkNames('close()', options, ['timeout'])
    checkInteger('close()', 'timeout', timeout, 0, LONGEST_TIMEOUT)
    const { clock, signal } = this.#settings
    signal?.removeEventListener('abort', this.#onAbort)
    this.#closed ??= this.#stop()
    const timer = clock.setTimeout(() => this.#destroyAll(), timeout)
    await this.#closed
    clock.clearTimeout(timer)
    return { forced: this.#forced }
  }

  readonly #onAbort = () => void this.close()

  /** The server is closed before the last sockets tell their drives, so both are waited for. */
  async #stop(): Promise<void> {
    await new Promise(resolve => this.#server.close(resolve))
    if (this.#drives.size === 0) return
    await new Promise<void>(resolve => {
      this.#finish = resolve
    })
  }

  #destroyAll(): void {
    for (const drive of this.#drives) if (drive.abort('shutdown')) this.#forced++
  }

  readonly #onDone = (outcome: Outcome, connection: Connection, drive: Drive) => {
    this.#drives.delete(drive)
    guarded(() => this.#settings.onOutcome(outcome, connection))
    if (this.#drives.size === 0) this.#finish?.()
  }

  #accept(socket: Socket): void {
    const connection = new Connection(++this.#accepted, socket, this.#settings.clock)
    const drive = new Drive(socket, connection, this.#driveSettings)
    // Node forgets the address when the peer has gone. Asked for once now, it stays.
    void socket.remoteAddress
    this.#drives.add(drive)
    drive.start(flowOf(this.#plan, drive))
  }
}
