import { separateCores } from './cores.js'
import { Loader } from './loader.js'
import { type Conditions, Server } from './server.js'
import type { ServerEntry } from './server-list.js'

/**
 * Conditions for a load: glibc returns no freed memory to the system. Otherwise it depends on chance (the layout of the
 * heap) whether it does, and the page faults that follow cost up to half of a bulk rate. Memory is measured without this.
 */
export const LOAD_CONDITIONS: Conditions = { env: { MALLOC_TRIM_THRESHOLD_: '1073741824' } }

/**
 * Conditions for the memory of connections: V8's young generation has its full size from the start. Otherwise V8 doubles
 * it, up to 16 MB, by chance before or after the 10,000th connection, and this shared memory would be a third of what is
 * counted for each connection.
 */
export const MEMORY_CONDITIONS: Conditions = {
  flags: ['--min-semi-space-size=16', '--max-semi-space-size=16'],
}

/** Starts servers on one core, and the load process on another. */
export class Harness {
  readonly #cores = separateCores()
  readonly loader = new Loader()

  constructor() {
    if (this.#cores !== undefined) this.loader.keepOn(this.#cores.load)
  }

  /** Whether server and load have a core each. */
  get isPinned(): boolean {
    return this.#cores !== undefined
  }

  start(entries: readonly ServerEntry[], conditions: Conditions): Promise<readonly Server[]> {
    return this.#start(entries, conditions, 'server')
  }

  /** Starts a server on the core of the load. */
  async startBesideLoad(entry: ServerEntry, conditions: Conditions): Promise<Server> {
    const [server] = await this.#start([entry], conditions, 'load')
    return server as Server
  }

  async #start(entries: readonly ServerEntry[], conditions: Conditions, core: 'server' | 'load') {
    const servers = await Promise.all(entries.map(entry => Server.start(entry, conditions)))
    if (this.#cores !== undefined) for (const server of servers) server.keepOn(this.#cores[core])
    return servers
  }

  stop(): void {
    this.loader.stop()
  }
}
