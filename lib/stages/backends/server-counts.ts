import type { Socket } from 'node:net'
import type { UpstreamStatus } from '../../status/status.js'

/** Counts the connections to one server of an upstream, for a status. */
export class ServerCounts {
  readonly #address: string
  connecting = 0
  #open = 0
  #connects = 0
  #failures = 0
  #losses = 0
  #lastFailure: string | null = null

  constructor(address: string) {
    this.#address = address
  }

  connected(socket: Socket): void {
    this.connecting--
    this.#connects++
    this.#open++
    socket
      .once('error', () => this.#losses++)
      .once('close', () => {
        this.#open--
      })
  }

  failed(why: string): void {
    this.connecting--
    this.#failures++
    this.#lastFailure = why
  }

  get status(): UpstreamStatus {
    return {
      address: this.#address,
      open: this.#open,
      connecting: this.connecting,
      connects: this.#connects,
      failures: this.#failures,
      losses: this.#losses,
      lastFailure: this.#lastFailure,
    }
  }
}
