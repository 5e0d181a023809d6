import { createReadStream, createWriteStream, fstatSync, ftruncateSync, openSync, type Stats } from 'node:fs'
import { Socket } from 'node:net'
import type { Readable, Writable } from 'node:stream'
import { InvalidOptionError } from '../../errors.js'
import { CommandFailure } from '../command-failure.js'
import type { Io } from '../io.js'
import { systemErrorText } from '../system-error-text.js'
import { FileSource } from './file-source.js'

/** The flags of `bywash pipe` that name files. */
export interface PipeFiles {
  readonly in?: string
  readonly out?: string
}

/** The streams that `bywash pipe` reads and writes. */
export interface PipeStreams {
  readonly input: Readable
  readonly output: Writable
  /** Whether the output is stdout, which must not be ended. */
  readonly keepsOutput: boolean
  /** Size of the input in bytes; undefined unless it is a regular file. */
  readonly size: number | undefined
}

/**
 * Opens the files that the flags name; stdin and stdout stand in for those that they do not.
 *
 * @throws InvalidOptionError when both are the same file; CommandFailure when one cannot be opened.
 */
export function openStreams(names: PipeFiles, { stdin, stdout }: Io): PipeStreams {
  const source = names.in === undefined ? stdin.fd : opened(names.in, 'r')
  // Opened with 'a', and truncated below: 'w' would empty the file before it is known to differ from the input.
  const sink = names.out === undefined ? undefined : opened(names.out, 'a')
  const stats = statsOf(source)
  refuseSame(stats, statsOf(sink ?? stdout.fd))
  if (sink !== undefined && statsOf(sink)?.isFile()) ftruncateSync(sink)
  return {
    input: inputOf(source, stats, names, stdin as Readable),
    output: sink === undefined ? (stdout as Writable) : outputOf(sink),
    keepsOutput: sink === undefined,
    size: stats?.isFile() ? stats.size : undefined,
  }
}

function opened(name: string, flags: 'r' | 'a'): number {
  try {
    return openSync(name, flags)
  } catch (error) {
    throw new CommandFailure(`cannot open ${name}: ${systemErrorText(error as NodeJS.ErrnoException)}`)
  }
}

function statsOf(descriptor: number | undefined): Stats | undefined {
  return descriptor === undefined ? undefined : fstatSync(descriptor)
}

function refuseSame(source: Stats | undefined, sink: Stats | undefined): void {
  if (!source?.isFile() || source.dev !== sink?.dev || source.ino !== sink.ino) return
  throw new InvalidOptionError(
    'The input and the output are the same file. Write another one, and rename it afterwards.',
  )
}

function outputOf(sink: number): Writable {
  // A FIFO whose reader stalls must not hold a thread of libuv's pool: the process could not exit then.
  if (statsOf(sink)?.isFIFO()) return new Socket({ fd: sink, readable: false, writable: true })
  return createWriteStream('', { fd: sink })
}

function inputOf(
  source: number | undefined,
  stats: Stats | undefined,
  names: PipeFiles,
  stdin: Readable,
): Readable {
  // Also for a directory: reading it fails here, where process.stdin would be an empty stream.
  if (source !== undefined && (stats?.isFile() || stats?.isDirectory())) return new FileSource(source)
  if (names.in === undefined) return stdin
  // For the same reason as in outputOf().
  if (stats?.isFIFO()) return new Socket({ fd: source as number, readable: true, writable: false })
  return createReadStream('', { fd: source as number })
}
