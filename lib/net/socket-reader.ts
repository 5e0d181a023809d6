/**
 * The user of the memory of a chunk when its reader has taken it, which decides what memory a socket may be read into:
 *
 * - `none`: nothing does, so the memory may be used again at once
 * - `sink`: only output that was written somewhere at once, so it may be used again when `isChunkFree` says so
 * - `any`: somebody may keep the chunk, or something that refers to it, so the chunk needs memory of its own
 */
export type ChunkUse = 'none' | 'sink' | 'any'

/** The one that takes what is read from a socket. */
export interface SocketReader {
  /** The user of the memory of the next chunk when `onData` has returned. */
  readonly chunkUse: ChunkUse
  /** Whether the output that refers to the last chunk has left for the kernel. Asked after `onData`, where only output does. */
  readonly isChunkFree: boolean
  onData: (chunk: Buffer) => void
}

/** The property of a socket under which its reader is found: it takes less memory than a closure. */
export const reader = Symbol('bywash.reader')

export function setReader(socket: object, by: SocketReader): void {
  const read = socket as { [reader]?: SocketReader }
  read[reader] = by
}

/** The reader of a socket that has one. */
export function readerOf(socket: object): SocketReader {
  return (socket as { readonly [reader]: SocketReader })[reader]
}
