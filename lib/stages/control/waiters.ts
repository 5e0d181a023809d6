/** Those that wait until a sink moves. All are told at once, and look again whether there is room for them. */
export class Waiters {
  #promise: Promise<void> | undefined
  #resolve: (() => void) | undefined

  /** Resolves with the next `tell()`. */
  wait(): Promise<void> {
    this.#promise ??= new Promise(resolve => {
      this.#resolve = resolve
    })
    return this.#promise
  }

  tell(): void {
    const resolve = this.#resolve
    this.#promise = undefined
    this.#resolve = undefined
    resolve?.()
  }
}
