import { isUtf8 } from 'node:buffer'
import { createReadStream } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { Problem } from '../problem.js'
import { type Configuration, type FileOptions, readConfiguration } from './configuration.js'

/** What came of a file. */
export interface LoadedFile {
  /** Undefined where there are problems. */
  readonly configuration: Configuration | undefined
  /** One line for each problem, in the order of the file: `file:line:column: message`. */
  readonly problems: readonly string[]
  /** What the file held; undefined where it could not be read. */
  readonly text: string | undefined
}

/** A file of listeners and tests is a few pages long. */
const LONGEST = 1_048_576

/** Reads a file. It rejects for nothing that a file, or a path, can be. */
export async function loadFile(path: string, options: Omit<FileOptions, 'folder'>): Promise<LoadedFile> {
  const { text, refusal } = await readText(path)
  if (refusal !== undefined) return { configuration: undefined, problems: [`${path}:1:1: ${refusal}`], text }
  const folder = dirname(resolve(path))
  const { configuration, problems } = await readConfiguration(text, { ...options, folder })
  return { configuration, problems: problems.map(problem => lineOf(path, text, problem)), text }
}

type ReadText =
  | { readonly text: string; readonly refusal?: undefined }
  | { readonly text: undefined; readonly refusal: string }

async function readText(path: string): Promise<ReadText> {
  try {
    const bytes = await readBytes(path)
    if (bytes.length > LONGEST) return refuse(`The file is longer than ${LONGEST} bytes. Make several of it.`)
    // Editors count columns without the mark.
    return isUtf8(bytes)
      ? { text: bytes.toString().replace(/^\ufeff/, '') }
      : refuse('The file is not UTF-8. Save it as UTF-8.')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return refuse("There is no such file. 'bywash init' writes one.")
    if (code === 'EISDIR') return refuse('This is a directory. Name a file in it.')
    return refuse(`The file cannot be read: ${message}.`)
  }
}

/** Reads one byte too many at most: a device or a pipe does not say how long it is, and need not end. */
async function readBytes(path: string): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of createReadStream(path, { end: LONGEST })) chunks.push(chunk)
  return Buffer.concat(chunks)
}

function refuse(refusal: string): ReadText {
  return { text: undefined, refusal }
}

/** What a problem says, in one line that editors and tools can jump from. */
function lineOf(path: string, text: string, { at, message, remedy }: Problem): string {
  const before = text.slice(0, at.start).split('\n')
  const column = (before.at(-1) as string).length + 1
  const sentence = remedy === '' ? message : `${message} ${remedy}`
  return `${path}:${before.length}:${column}: ${sentence.replace(/\p{C}+/gu, ' ')}`
}
