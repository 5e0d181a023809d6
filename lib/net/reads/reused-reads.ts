import { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { type ChunkUse, readerOf } from '../socket-reader.js'
import { ownThread } from '../thread-link.js'
import {
  findUserBuffers,
  handleOf,
  type OnRead,
  proved,
  type ReadMode,
  readMode,
  type UserBuffers,
} from './user-buffers.js'

/** Bytes of a read at most, as Node reads by itself. */
const MEMORY_BYTES = 65_536
/** From this many bytes of a read on, to write them without a copy saves more than memory of its own costs a socket. */
const MIN_LONG_READ = 8_192
/** Bytes of a read at most of a socket whose reads fill the memory that it has: a longer read and write save calls of the system. */
const BULK_MEMORY_BYTES = 262_144
/** The most memories of that size at a time, 16 MiB in all. */
const MAX_BULK_MEMORIES = 64
/** Short reads in a row after which a socket does without memory of its own. */
const MAX_SHORT_READS = 4
/** The interval at which memory is taken back from sockets that have not read since the last time. */
const SWEEP_MS = 1_000
/** The number of times that memory is taken back from one socket: Node keeps some bytes for each time. */
export const MAX_SWEPT = 64

/** Facts about a socket that has memory of its own, since its reads are long. */
interface Owner {
  shortReads: number
  /** Whether nothing was read since the last sweep. */
  isIdle: boolean
}

/**
 * Reads sockets into memory that is used again: Node by itself makes 64 KiB for each read, which costs more than all else of
 * a short one. The stages see what was read where it stands only if they are known to be done with it when they return.
 * Otherwise they get a copy, or, where only the output refers to it, the memory is not used again before the kernel has that.
 */
export class ReusedReads {
  readonly #buffers: UserBuffers
  /** The memory of all sockets whose reads are short, or whose stages are done with a chunk at once. */
  readonly #shared = Buffer.allocUnsafeSlow(MEMORY_BYTES)
  readonly #onRead: OnRead
  readonly #onClose: (this: Socket) => void
  readonly #owners = new Map<Socket, Owner>()
  /** The number of times that memory was taken back from a socket. */
  readonly #swept = new WeakMap<Socket, number>()
  /** The memory for the next read of the socket that is being read, where it is another one. */
  #next: Buffer | undefined
  #timer: NodeJS.Timeout | undefined
  /** The number of bulk memories that there are. One of them may outlive its socket, for as long as output refers to it. */
  #bulkMemories = 0
  readonly #maxBulkMemories: number
  readonly #onBulkFreed = new FinalizationRegistry(() => {
    this.#bulkMemories--
  })

  constructor(buffers: UserBuffers, maxBulkMemories = MAX_BULK_MEMORIES) {
    this.#buffers = buffers
    this.#maxBulkMemories = maxBulkMemories
    // Shared by all sockets, which Node calls them with.
    const reads = this
    this.#onRead = function (length, memory) {
      return reads.#read(this, length, memory)
    }
    this.#onClose = function () {
      reads.#owners.delete(this)
      reads.#buffers.forget(this)
    }
  }

  /** Reads a socket, for its reader, from now on; does nothing where somebody else may read it, or where it was read already. */
  begin(socket: Readable): void {
    if (isPlain(socket)) this.#buffers.install(socket, this.#shared, this.#onRead, this.#takeNext)
  }

  readonly #takeNext = (): Buffer | undefined => {
    const next = this.#next
    this.#next = undefined
    return next
  }

  #read(socket: Socket, length: number, memory: Buffer): boolean {
    // A throw may have left it.
    this.#next = undefined
    const bytes = length === memory.length ? memory : memory.subarray(0, length)
    // As without this: a socket that is paused reads once more, and keeps that until it goes on.
    if (!socket.readableFlowing || socket.readableLength > 0) return socket.push(copyOf(bytes, 'any'))
    const by = readerOf(socket)
    const use = by.chunkUse
    const isLong = length >= MIN_LONG_READ
    const isShared = memory === this.#shared
    const isInPlace = use === 'none' || (use === 'sink' && isLong && !isShared)
    by.onData(isInPlace ? bytes : copyOf(bytes, use))
    if (!isShared) this.#reuse(socket, length, memory.length, !isInPlace || use === 'none' || by.isChunkFree)
    else if (isLong && use === 'sink') this.#own(socket)
    return true
  }

  /** Gives a socket memory of its own. */
  #own(socket: Socket): void {
    this.#owners.set(socket, { shortReads: 0, isIdle: false })
    socket.once('close', this.#onClose)
    this.#timer ??= setInterval(() => this.sweep(), SWEEP_MS).unref()
    this.#next = Buffer.allocUnsafeSlow(MEMORY_BYTES)
  }

  /** Memory for a socket that has filled its own, while there are few of them. */
  #bulkMemory(): Buffer | undefined {
    if (this.#bulkMemories === this.#maxBulkMemories) return undefined
    const memory = Buffer.allocUnsafeSlow(BULK_MEMORY_BYTES)
    this.#bulkMemories++
    this.#onBulkFreed.register(memory.buffer, undefined)
    return memory
  }

  /** Decides where a socket is read next that was read into memory of its own. */
  #reuse(socket: Socket, length: number, size: number, isFree: boolean): void {
    const owner = this.#owners.get(socket) as Owner
    owner.isIdle = false
    owner.shortReads = length >= MIN_LONG_READ ? 0 : owner.shortReads + 1
    if (isFree && owner.shortReads < MAX_SHORT_READS) {
      if (length === MEMORY_BYTES && size === MEMORY_BYTES) this.#next = this.#bulkMemory()
      return
    }
    // Output that waits keeps the memory; while it waits, a socket needs no other.
    this.#disown(socket)
    this.#next = this.#shared
  }

  /** Takes the memory of sockets back from which nothing has come since the last sweep. Called by the timer. */
  sweep(): void {
    for (const [socket, owner] of this.#owners) {
      const swept = this.#swept.get(socket) ?? 0
      if (owner.isIdle && swept < MAX_SWEPT && !socket.destroyed) {
        this.#swept.set(socket, swept + 1)
        this.#disown(socket)
        this.#buffers.replace(socket, this.#shared)
      }
      owner.isIdle = true
    }
    if (this.#owners.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #disown(socket: Socket): void {
    this.#owners.delete(socket)
    socket.off('close', this.#onClose)
  }
}

/** A copy of what was read. Output leaves soon; but a chunk that a stage may keep must not keep Node's pool with it. */
function copyOf(bytes: Buffer, use: ChunkUse): Buffer {
  const copy = use === 'sink' ? Buffer.allocUnsafe(bytes.length) : Buffer.allocUnsafeSlow(bytes.length)
  copy.set(bytes)
  return copy
}

/** Whether a socket is one of TCP or of a unix socket, from which nobody reads and nothing was read. */
function isPlain(socket: Readable): socket is Socket {
  return (
    Object.getPrototypeOf(socket) === Socket.prototype &&
    typeof handleOf(socket as Socket)?.useUserBuffer === 'function' &&
    socket.readableLength === 0 &&
    socket.readableEncoding === null &&
    socket.listenerCount('data') === 0 &&
    socket.listenerCount('readable') === 0
  )
}

/** Makes the reads of a process; resolves with undefined where each read is to have fresh memory, or must have. */
export async function readsFor(
  environment: NodeJS.ProcessEnv,
  platform: NodeJS.Platform,
  example: object = new Socket(),
  isProved = false,
): Promise<ReusedReads | undefined> {
  const found = findUserBuffers(example)
  // On Windows a read begins, with the memory of that moment, before anything has come.
  if (readMode(environment) === 'fresh' || platform === 'win32' || found === undefined) return undefined
  const buffers = isProved ? found : await proved(found)
  return buffers && new ReusedReads(buffers)
}

let reads: ReusedReads | undefined
let loading: Promise<ReusedReads | undefined> | undefined

/** Finds out, once, whether connections of this process can be read into memory that is used again. */
export async function loadReads(): Promise<void> {
  // A thread is started by a program that has tried it, and says in the environment what came of it.
  loading ??= readsFor(process.env, process.platform, new Socket(), ownThread() !== undefined)
  reads = await loading
}

/** Reads a socket into memory that is used again, where that is possible. Called when it has a reader, and before anybody listens to it. */
export function reuseReads(socket: Readable): void {
  reads?.begin(socket)
}

/** The way in which this process reads its connections; known once `loadReads()` has resolved. */
export function readsInUse(): ReadMode {
  return modeOf(reads)
}

export function modeOf(used: ReusedReads | undefined): ReadMode {
  return used === undefined ? 'fresh' : 'reused'
}
