import { createReadStream, createWriteStream, fstatSync, type Stats } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import type { Readable, Writable } from 'node:stream'
import { InvalidOptionError } from '../errors.js'
import type { Io } from './main.js'

/** Large reads: most of what a small one costs is the call. */
const READ_BYTES = 262_144

/** The flags that name files. */
export interface PipeFiles {
  readonly in?: string
  readonly out?: string
}

/** What a pipe reads and writes. */
export interface OpenEnds {
  readonly input: Readable
  readonly output: Writable
  /** The output is not ours to end. */
  readonly keepsOutput: boolean
  /** How many bytes the input has, where that is known. */
  readonly size: number | undefined
}

/**
 * Opens the files of a pipe, or takes stdin and stdout.
 *
 * @throws InvalidOptionError when both are the same file; Node's error when one cannot be opened.
 */
export async function openEnds(names: PipeFiles, { stdin, stdout }: Io): Promise<OpenEnds> {
  const source = names.in === undefined ? undefined : await open(names.in)
  const stats = source === undefined ? statsOf(stdin.fd) : await source.stat()
  const size = stats?.isFile() ? stats.size : undefined
  // Not with 'w', which would empty the file before it is known to be another one.
  const sink = names.out === undefined ? undefined : await open(names.out, 'a')
  if (sink !== undefined) await empty(sink, stats)
  return {
    input: inputOf(source, stdin, size !== undefined),
    output: sink === undefined ? (stdout as Writable) : createWriteStream('', { fd: sink }),
    keepsOutput: sink === undefined,
    size,
  }
}

function statsOf(descriptor: number | undefined): Stats | undefined {
  return descriptor === undefined ? undefined : fstatSync(descriptor)
}

function inputOf(source: FileHandle | undefined, stdin: Io['stdin'], isFile: boolean): Readable {
  if (source !== undefined) return createReadStream('', { fd: source, highWaterMark: READ_BYTES })
  if (!isFile || stdin.fd === undefined) return stdin as Readable
  return createReadStream('', { fd: stdin.fd, highWaterMark: READ_BYTES, autoClose: false })
}

async function empty(sink: FileHandle, source: Stats | undefined): Promise<void> {
  const stats = await sink.stat()
  if (!stats.isFile()) return
  if (source?.dev === stats.dev && source.ino === stats.ino) {
    await sink.close()
    throw new InvalidOptionError(
      "'--in' and '--out' are the same file. Write another one, and rename it afterwards.",
    )
  }
  await sink.truncate()
}
