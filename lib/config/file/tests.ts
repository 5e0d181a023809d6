import type { Pipeline } from '../../pipeline.js'
import { replaceReferences } from './environment.js'
import { fields, itemsOf, kindOf, refuseDuplicate, textOf } from './fields.js'
import type { ListenerEntry } from './listeners.js'
import { readPipeline } from './pipeline.js'
import type { Reading } from './reading.js'
import type { Node } from './tree.js'

/** One test of a file: a client sends `send` and then FIN, and must get exactly `expect`. */
export interface TestEntry {
  readonly name: string
  /** Undefined where the pipeline has problems. */
  readonly pipeline: Pipeline<Buffer, Buffer> | undefined
  readonly send: Buffer
  readonly expect: Buffer
}

const KEYS = { name: true, pipeline: true, send: false, expect: true }

const ENCODINGS = {
  base64: /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/,
  hex: /^(?:[0-9a-fA-F]{2})*$/,
}

/** The longest input or output: the time that a test takes grows with the square of the length. */
const MAX_BYTES = 65_536

const WRITE_BYTES = 'Write a text in quotes, { base64: … }, { hex: … }, or a list of these.'

export function readTests(
  list: Node,
  listeners: readonly ListenerEntry[],
  reading: Reading,
): readonly TestEntry[] {
  const { environment, problems } = reading
  const names = new Set<string>()
  return itemsOf(list, "'tests'", problems).flatMap(item => {
    const found = fields(item, 'A test', KEYS, problems)
    const [name, pipeline, send, expect] = Object.keys(KEYS).map(key => found?.get(key)?.value)
    const title = name && readTitle(replaceReferences(name, environment, problems), reading)
    if (name && title) refuseDuplicate(names, title, 'test', name.at, problems)
    return [
      {
        name: title ?? '',
        pipeline: pipeline && readPipeline(pipeline, reading, listeners).pipeline,
        send: send === undefined ? Buffer.alloc(0) : readBytes(send, "'send'", reading),
        expect: expect === undefined ? Buffer.alloc(0) : readBytes(expect, "'expect'", reading),
      },
    ]
  })
}

function readTitle(node: Node, { problems }: Reading): string | undefined {
  const title = textOf(node, "A test's 'name'", problems)
  if (title === undefined || /^\P{C}{1,200}$/u.test(title)) return title
  const message = `${JSON.stringify(title.slice(0, 40))} is no name for a test.`
  problems.push({ at: node.at, message, remedy: 'Use one line of text, at most 200 characters.' })
  return undefined
}

function readBytes(node: Node, what: string, reading: Reading): Buffer {
  const { environment, problems } = reading
  const before = problems.length
  const given = replaceReferences(node, environment, problems)
  const bytes = problems.length > before ? Buffer.alloc(0) : bytesOf(given, what, reading)
  if (bytes.length > MAX_BYTES) {
    const message = `${what} is ${bytes.length} bytes long, but at most ${MAX_BYTES} are cut in every way.`
    problems.push({ at: node.at, message, remedy: "Test longer ones in code, with 'bywash/testing'." })
  }
  return bytes
}

function bytesOf(node: Node, what: string, reading: Reading): Buffer {
  if (node.type === 'list') return Buffer.concat(node.items.map(item => bytesOf(item, what, reading)))
  if (node.type === 'scalar' && typeof node.value === 'string') return Buffer.from(node.value)
  const [entry, second] = node.type === 'map' ? node.entries : []
  const { value } = (entry?.value ?? {}) as { value?: unknown }
  for (const [encoding, pattern] of Object.entries(ENCODINGS)) {
    if (second !== undefined || entry?.name !== encoding || typeof value !== 'string') continue
    const digits = value.replace(/\s+/g, '')
    if (pattern.test(digits)) return Buffer.from(digits, encoding as BufferEncoding)
    reading.problems.push({
      at: entry.value.at,
      message: `This is not ${encoding}.`,
      remedy: 'Encode it again.',
    })
    return Buffer.alloc(0)
  }
  reading.problems.push({
    at: node.at,
    message: `${what} is text or bytes; got ${kindOf(node)}.`,
    remedy: WRITE_BYTES,
  })
  return Buffer.alloc(0)
}
