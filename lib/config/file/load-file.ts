import { isUtf8 } from 'node:buffer'
import { createReadStream } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { type Problem, remedyIn } from '../problem.js'
import { substituteIn } from '../typography.js'
import { type Configuration, type FileOptions, readConfiguration } from './configuration.js'

/** A problem of a file, with its place as editors count: from 1 on. */
export interface PlacedProblem {
  readonly file: string
  readonly line: number
  readonly column: number
  readonly message: string
  /** A sentence that says what to change; may be empty. */
  readonly remedy: string
}

/** The result of loading a file. */
export interface LoadedFile {
  /** The content; undefined where there are problems. */
  readonly configuration: Configuration | undefined
  /** One line `file:line:column: message` for each problem, in the order of the file. */
  readonly problems: readonly string[]
  /** Such lines for what should be changed, though the file can be served as it is. */
  readonly warnings: readonly string[]
  /** The problems and then the warnings, for programs. */
  readonly placed: readonly PlacedProblem[]
  /** The text of the file; undefined where it could not be read. */
  readonly text: string | undefined
}

/** The longest file; one of listeners and tests is a few pages long. */
const MAX_FILE_BYTES = 1_048_576

/** Loads a file. Whatever is wrong with it, or with its path, is a problem and no rejection. */
export async function loadFile(path: string, options: Omit<FileOptions, 'folder'>): Promise<LoadedFile> {
  const { text, refusal } = await readText(path)
  const { configuration, problems, warnings } =
    refusal === undefined
      ? await readConfiguration(text, { ...options, folder: dirname(resolve(path)) })
      : { configuration: undefined, problems: [{ at: { start: 0, end: 0 }, ...refusal }], warnings: [] }
  const place = (found: readonly Problem[]) => found.map(problem => placeIn(path, text ?? '', problem))
  const [wrong, warned] = [place(problems), place(warnings)]
  return {
    configuration,
    problems: wrong.map(lineOf),
    warnings: warned.map(lineOf),
    placed: [...wrong, ...warned],
    text,
  }
}

type Refusal = Pick<Problem, 'message' | 'remedy'>

type ReadText =
  | { readonly text: string; readonly refusal?: undefined }
  | { readonly text: undefined; readonly refusal: Refusal }

async function readText(path: string): Promise<ReadText> {
  try {
    const bytes = await readBytes(path)
    if (bytes.length > MAX_FILE_BYTES)
      return refuse(`The file is longer than ${MAX_FILE_BYTES} bytes.`, 'Make several of it.')
    if (isUtf16(bytes)) return refuse('The file is UTF-16, as its byte order mark says.', 'Save it as UTF-8.')
    // Editors count columns without the byte order mark.
    return isUtf8(bytes)
      ? { text: bytes.toString().replace(/^\ufeff/, '') }
      : refuse('The file is not UTF-8.', 'Save it as UTF-8.')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ENOENT')
      return refuse('There is no such file.', substituteIn(path) || "'bywash init' writes one.")
    if (code === 'EISDIR') return refuse('This is a directory.', 'Name a file in it.')
    return refuse(`The file cannot be read: ${message}.`, '')
  }
}

function isUtf16(bytes: Buffer): boolean {
  const mark = bytes.subarray(0, 2).toString('hex')
  return mark === 'fffe' || mark === 'feff'
}

/** Reads at most one byte more than allowed: a device or a pipe has no length, and may never end. */
async function readBytes(path: string): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of createReadStream(path, { end: MAX_FILE_BYTES })) chunks.push(chunk)
  return Buffer.concat(chunks)
}

function refuse(message: string, remedy: string): ReadText {
  return { text: undefined, refusal: { message, remedy } }
}

function placeIn(file: string, text: string, problem: Problem): PlacedProblem {
  const { at, message } = problem
  const before = text.slice(0, at.start).split('\n')
  const column = (before.at(-1) as string).length + 1
  return { file, line: before.length, column, message, remedy: remedyIn(text, problem) }
}

/** Formats a problem as one line, in the form that editors and CI can jump from. */
function lineOf({ file, line, column, message, remedy }: PlacedProblem): string {
  const sentence = remedy === '' ? message : `${message} ${remedy}`
  return `${file}:${line}:${column}: ${sentence.replace(/\p{C}+/gu, ' ')}`
}
