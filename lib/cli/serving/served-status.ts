import { isDeepStrictEqual } from 'node:util'
import { serveStatus } from '../../status-server/serve-status.js'
import type { StatusServerOptions } from '../../status-server/status-options.js'
import type { StatusServer } from '../../status-server/status-server.js'
import type { StatusSource } from '../../status-server/status-source.js'

/** The status server of a command that serves, where one is asked for. */
export class ServedStatus {
  readonly #sources: Iterable<StatusSource>
  #options: StatusServerOptions | undefined
  #server: StatusServer | undefined

  constructor(sources: Iterable<StatusSource>) {
    this.#sources = sources
  }

  /**
   * Opens the server, moves it to another address, or closes it. Returns lines that say where it is.
   *
   * @throws BindError when the address cannot be bound; then there is none, until another call succeeds.
   */
  async apply(options: StatusServerOptions | undefined): Promise<readonly string[]> {
    if (isDeepStrictEqual(options, this.#options)) return []
    await this.close()
    if (options === undefined) return ['Status: no longer served']
    this.#server = await serveStatus(this.#sources, options)
    this.#options = options
    return [`Status on ${this.#server.url}`]
  }

  async close(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    this.#options = undefined
    await server?.close()
  }
}
