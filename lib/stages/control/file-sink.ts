import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { resolve } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { OPEN_FILES } from '../../open-files.js'
import type { Copier, CopySink } from './copy-sink.js'
import { Waiters } from './waiters.js'

/** Size of a block. An item that is longer has one of its own size. */
const BLOCK_BYTES = 65_536

/** Delay before a FIFO or a terminal that was full is written to again. */
const RETRY_MS = 20

/**
 * Without O_NONBLOCK a FIFO that nobody reads, or a terminal that is stopped, holds a thread of libuv's pool, and four
 * held threads stop zlib, dns and files for the whole process, and its exit. With it such a FIFO cannot be opened
 * (ENXIO), and one that is full says EAGAIN. A regular file is not affected, and Windows has no such flag.
 */
const FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK

/** The files that are open, by absolute path: one descriptor for each, however many connections and stages write to it. */
const sinks = new Map<string, FileSink>()

/** Number of descriptors that the files of `tee` take. */
export function openFileSinks(): number {
  return sinks.size
}

/** Returns the sink of a path. Each call is matched by one of `release()`, and the last of them closes the file. */
export function fileSink(path: string): FileSink {
  const absolute = resolve(path)
  const sink = sinks.get(absolute) ?? new FileSink(absolute)
  sinks.set(absolute, sink)
  sink.users++
  return sink
}

/** Items that are written together. */
interface Block {
  readonly bytes: Buffer
  length: number
  /** Number of items of each connection. */
  readonly items: Map<Copier, number>
}

/**
 * Appends to a file, FIFO or device, one block at a time. What waits lies in blocks, so that a million short items take
 * no more memory than their bytes. A block that could not be written is lost, and the next one opens the file again: a
 * disk may have room again, and a FIFO a reader.
 */
class FileSink implements CopySink {
  readonly title: string
  readonly unit = 'bytes'
  readonly isClosed = false
  readonly error = null
  waiting = 0
  /** Connections that have not released it. */
  users = 0
  #file: FileHandle | undefined
  #blocks: Block[] = []
  /** A block that was written and is empty again. */
  #spare: Block | undefined
  #isBusy = false
  readonly #waiters = new Waiters()

  constructor(path: string) {
    this.title = path
  }

  write(item: unknown, copier: Copier): void {
    const isText = typeof item === 'string'
    if (!isText && !(item instanceof Uint8Array)) {
      throw new TypeError('a file takes bytes and text; encode values first, as toJsonLines() does')
    }
    const length = isText ? Buffer.byteLength(item) + 1 : item.length
    const block = this.#blockFor(length)
    if (isText) block.bytes.write(`${item}\n`, block.length)
    else block.bytes.set(item, block.length)
    block.length += length
    block.items.set(copier, (block.items.get(copier) ?? 0) + 1)
    this.waiting += length
    if (!this.#isBusy) void this.#writeAll()
  }

  lags(maxPending: number): boolean {
    return this.waiting >= maxPending
  }

  moved(): Promise<void> {
    return this.#waiters.wait()
  }

  release(): void {
    this.users--
    if (!this.#isBusy) void this.#closeUnused()
  }

  /** Returns a block with room for so many bytes. */
  #blockFor(length: number): Block {
    const last = this.#blocks.at(-1)
    if (last !== undefined && last.length + length <= last.bytes.length) return last
    const isShort = length <= BLOCK_BYTES
    const block = (isShort && this.#spare) || {
      bytes: Buffer.allocUnsafeSlow(isShort ? BLOCK_BYTES : length),
      length: 0,
      items: new Map(),
    }
    if (isShort) this.#spare = undefined
    this.#blocks.push(block)
    return block
  }

  async #writeAll(): Promise<void> {
    this.#isBusy = true
    for (let block = this.#blocks.shift(); block !== undefined; block = this.#blocks.shift()) {
      const error = await this.#writeBlock(block).catch(async (cause: NodeJS.ErrnoException) => {
        await this.#closeFile()
        return cause
      })
      const items = [...block.items]
      this.waiting -= block.length
      block.length = 0
      block.items.clear()
      if (block.bytes.length === BLOCK_BYTES) this.#spare = block
      for (const [copier, count] of items) copier.settle(count, error)
      this.#waiters.tell()
    }
    this.#isBusy = false
    await this.#closeUnused()
  }

  async #writeBlock({ bytes, length }: Block): Promise<undefined> {
    if (this.#file === undefined) {
      this.#file = await this.#open()
      OPEN_FILES.hold()
    }
    for (let at = 0; at < length; ) {
      try {
        at += (await this.#file.write(bytes, at, length - at)).bytesWritten
      } catch (error) {
        // Where nobody is left who waits for it, everybody has given up.
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN' || this.users === 0) throw error
        await setTimeout(RETRY_MS)
      }
    }
  }

  async #open(): Promise<FileHandle> {
    try {
      return await open(this.title, FLAGS)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENXIO') throw error
      throw Object.assign(new Error(`ENXIO: nobody reads '${this.title}', or it is a socket`), {
        code: 'ENXIO',
      })
    }
  }

  async #closeUnused(): Promise<void> {
    if (this.users > 0) return
    if (sinks.get(this.title) === this) sinks.delete(this.title)
    await this.#closeFile()
  }

  async #closeFile(): Promise<void> {
    const file = this.#file
    if (file === undefined) return
    this.#file = undefined
    OPEN_FILES.release()
    // Everything that was written has been answered for already.
    await file.close().catch(() => {})
  }
}
