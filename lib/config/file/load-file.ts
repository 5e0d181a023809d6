import { isUtf8 } from 'node:buffer'
import { createReadStream } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { Problem } from '../problem.js'
import { type Configuration, type FileOptions, readConfiguration } from './configuration.js'

/** The result of loading a file. */
export interface LoadedFile {
  /** The content; undefined where there are problems. */
  readonly configuration: Configuration | undefined
  /** One line `file:line:column: message` for each problem, in the order of the file. */
  readonly problems: readonly string[]
  /** Such lines for what should be changed, though the file can be served as it is. */
  readonly warnings: readonly string[]
  /** The text of the file; undefined where it could not be read. */
  readonly text: string | undefined
}

/** The longest file; one of listeners and tests is a few pages long. */
const MAX_FILE_BYTES = 1_048_576

/** Loads a file. Whatever is wrong with it, or with its path, is a problem and no rejection. */
export async function loadFile(path: string, options: Omit<FileOptions, 'folder'>): Promise<LoadedFile> {
  const { text, refusal } = await readText(path)
  if (refusal !== undefined) {
    return { configuration: undefined, problems: [`${path}:1:1: ${refusal}`], warnings: [], text }
  }
  const folder = dirname(resolve(path))
  const { configuration, problems, warnings } = await readConfiguration(text, { ...options, folder })
  const lines = (found: readonly Problem[]) => found.map(problem => lineOf(path, text, problem))
  return { configuration, problems: lines(problems), warnings: lines(warnings), text }
}

type ReadText =
  | { readonly text: string; readonly refusal?: undefined }
  | { readonly text: undefined; readonly refusal: string }

async function readText(path: string): Promise<ReadText> {
  try {
    const bytes = await readBytes(path)
    if (bytes.length > MAX_FILE_BYTES)
      return refuse(`The file is longer than ${MAX_FILE_BYTES} bytes. Make several of it.`)
    // Editors count columns without the byte order mark.
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

/** Reads at most one byte more than allowed: a device or a pipe has no length, and may never end. */
async function readBytes(path: string): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of createReadStream(path, { end: MAX_FILE_BYTES })) chunks.push(chunk)
  return Buffer.concat(chunks)
}

function refuse(refusal: string): ReadText {
  return { text: undefined, refusal }
}

/** Formats a problem as one line, in the form that editors and CI can jump from. */
function lineOf(path: string, text: string, { at, message, remedy }: Problem): string {
  const before = text.slice(0, at.start).split('\n')
  const column = (before.at(-1) as string).length + 1
  const sentence = remedy === '' ? message : `${message} ${remedy}`
  return `${path}:${before.length}:${column}: ${sentence.replace(/\p{C}+/gu, ' ')}`
}
