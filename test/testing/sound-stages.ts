import { createHash } from 'node:crypto'
import { EventEmitter, setMaxListeners } from 'node:events'
import { open as openFile } from 'node:fs/promises'
import { Duplex, PassThrough, Transform } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'
import { mock } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { createBrotliCompress, createBrotliDecompress, createGunzip, createGzip } from 'node:zlib'
import split2 from 'split2'
import { objectTransform, transform as through2 } from 'through2'
import {
  asyncMap,
  type Connection,
  type Controller,
  type Frame,
  FrameTooLongError,
  fromStream,
  grep,
  gunzip,
  gzip,
  InvalidFrameError,
  lines,
  map,
  pipeline,
  stage,
  type Transformer,
  take,
  tap,
  throttle,
  toLines,
  uppercase,
  welcome,
} from '../../lib/index.js'
import type { CheckStageOptions } from '../../lib/testing/index.js'

/** A stage that obeys every law, in a table of all sorts. */
export interface Sound {
  readonly stage: unknown
  readonly examples: readonly unknown[]
  readonly options?: CheckStageOptions
  /** Whether the check takes a second or more, and is left to `npm run test:all`. */
  readonly isLong?: boolean
}

type Open<In, Out> = (connection: Connection) => Transformer<In, Out>

export const lineStage = (name: string, open: Open<string, string>, more: object = {}) =>
  stage<string, string>({ name, accepts: 'line', emits: 'line', open, ...more })
export const decoder = (name: string, open: Open<Buffer, string>, more: object = {}) =>
  stage<Buffer, string>({ name, accepts: 'bytes', emits: 'line', open, ...more })
export const byteStage = (name: string, open: Open<Buffer, Buffer>, more: object = {}) =>
  stage<Buffer, Buffer>({ name, accepts: 'bytes', emits: 'bytes', open, ...more })
export const frameDecoder = (name: string, open: Open<Buffer, Frame>) =>
  stage<Buffer, Frame>({ name, accepts: 'bytes', emits: 'frame', open })
const through = (items: string[], output = items) => [{ input: items, output }]
export const abc = through(['a', 'b', 'c'])

/** A decoder of 4-byte lengths, with a limit, that keeps a list of chunks. */
function lengthDecoder() {
  return frameDecoder('lengthed', () => {
    let chunks: Buffer[] = []
    let size = 0
    let needed = -1
    const takeBytes = (length: number) => {
      const all = Buffer.concat(chunks, size)
      chunks = length < size ? [all.subarray(length)] : []
      size -= length
      return all.subarray(0, length)
    }
    let frames = 0
    return {
      transform: (chunk, controller) => {
        chunks.push(chunk)
        size += chunk.length
        for (;;) {
          if (needed === -1) {
            if (size < 4) return
            needed = takeBytes(4).readUInt32BE()
            if (needed > 10_000) throw new FrameTooLongError('lengthed', 'frame', 10_000)
          }
          if (size < needed) return
          controller.enqueue(Buffer.from(takeBytes(needed)))
          needed = -1
          frames++
        }
      },
      unfinished: () => (size > 0 || needed !== -1 ? frames + 1 : 0),
      flush: () => {
        if (size > 0 || needed !== -1) throw new InvalidFrameError('lengthed', 'it is cut off')
      },
    }
  })
}

/** A line decoder that looks at each byte once, with a limit. */
function byteByByte() {
  return decoder('by byte', () => {
    let bytes: number[] = []
    return {
      transform: (chunk, controller) => {
        for (const byte of chunk) {
          if (byte !== 0x0a) bytes.push(byte)
          else {
            controller.enqueue(Buffer.from(bytes).toString())
            bytes = []
          }
          if (bytes.length > 8192) throw new FrameTooLongError('by byte', 'line', 8192)
        }
      },
      flush: controller => {
        if (bytes.length > 0) controller.enqueue(Buffer.from(bytes).toString())
      },
    }
  })
}

/** State by the id of the connection, outside of the stage, released when the connection closes. */
function numberedById() {
  const counts = new Map<number, number>()
  return lineStage('by id', ({ id }) => ({
    start: () => void counts.set(id, 0),
    transform: (line, controller) => {
      const n = (counts.get(id) ?? 0) + 1
      counts.set(id, n)
      controller.enqueue(`${n} ${line}`)
    },
    close: () => void counts.delete(id),
  }))
}

/** The class that another one wraps, with private state and every method on the prototype. */
class Numbering implements Transformer<string, string> {
  #count = 0
  transform(line: string, controller: Controller<string>) {
    this.#count++
    controller.enqueue(`${this.#count}:${line}`)
  }
  flush(controller: Controller<string>) {
    controller.enqueue(`${this.#count} lines`)
  }
}

/** Compresses runs of 64 KiB to one byte, and back with much delay: as a compressor on a busy machine does. */
function squeezed() {
  const RUN = 65_536
  const squeeze = byteStage('squeeze', () => {
    let seen = 0
    return {
      transform: (chunk, controller) => {
        const before = Math.floor(seen / RUN)
        seen += chunk.length
        const runs = Math.floor(seen / RUN) - before
        if (runs > 0) controller.enqueue(Buffer.alloc(runs, 'r'))
      },
      flush: controller => {
        if (seen % RUN > 0) controller.enqueue(Buffer.from(`<${seen % RUN}>`))
      },
    }
  })
  const expand = fromStream('expand', () => {
    let end = ''
    return new Transform({
      transform(chunk: Buffer, _encoding, callback) {
        let turns = 0
        const wait = () => {
          if (turns++ < 60) return void setImmediate(wait)
          for (const byte of chunk.toString()) {
            if (byte === 'r' && end === '') this.push(Buffer.alloc(RUN, 'x'))
            else end += byte
          }
          callback()
        }
        wait()
      },
      flush(callback) {
        if (end !== '') this.push(Buffer.alloc(Number(end.slice(1, -1)), 'x'))
        callback()
      },
    })
  })
  return pipeline().through(squeeze).through(expand)
}

const bus = new EventEmitter()
let sharedTimer: NodeJS.Timeout | undefined
const look = mock.fn((_line: unknown) => {})

/** Stages of every sort that people write. `checkStage` must refuse none of them. */
export const SOUND: Record<string, Sound> = {
  'does nothing': { stage: pipeline(), examples: [{ input: 'abc', output: 'abc' }] },
  'has no functions': { stage: byteStage('empty', () => ({})), examples: [{ input: 'abc', output: 'abc' }] },
  'maps lines': { stage: map('shout', line => `${line}!`), examples: through(['a', ''], ['a!', '!']) },
  'maps values to values': {
    stage: map('double', (n: number) => 2 * n, { accepts: 'value', emits: 'value' }),
    examples: [{ input: [1, 2], output: [2, 4] }],
  },
  'gives matches of an expression, which are lists with names': {
    stage: map('match', (line: string) => /(?<first>.)/.exec(line) as RegExpExecArray, {
      accepts: 'line',
      emits: 'value',
    }),
    examples: [{ input: ['ab'], output: [/(?<first>.)/.exec('ab')] }],
  },
  'gives Maps and Sets': {
    stage: map('count', (line: string) => new Map([[line, new Set([line.length])]]), {
      accepts: 'line',
      emits: 'value',
    }),
    examples: [{ input: ['ab'], output: [new Map([['ab', new Set([2])]])] }],
  },
  'gives objects of a class, dates, and objects without a prototype': {
    stage: map('various', (n: number) => [new URL(`http://h/${n}`), new Date(n), Object.create(null)], {
      accepts: 'value',
      emits: 'value',
    }),
    examples: [{ input: [1], output: [[new URL('http://h/1'), new Date(1), Object.create(null)]] }],
  },
  'gives a value that refers to itself': {
    stage: map('loop', (n: number) => Object.assign([n], { self: loop(n) }), {
      accepts: 'value',
      emits: 'value',
    }),
    examples: [{ input: [1], output: [Object.assign([1], { self: loop(1) })] }],
  },
  'looks at lines, for a mock that remembers them all': {
    isLong: true,
    stage: tap('look', look),
    examples: abc,
    options: { held: 16_384 },
  },
  'counts lines': {
    stage: lineStage('numbering', () => new Numbering()),
    examples: [{ input: ['a', 'b'], output: ['1:a', '2:b', '2 lines'] }],
  },
  'keeps its state by the id of the connection': {
    stage: numberedById(),
    examples: [{ input: ['a', 'b'], output: ['1 a', '2 b'] }],
  },
  'tells the id of the connection': {
    stage: map('id', (line, { id }) => `${id}: ${line}`),
    examples: [{ input: ['a', 'b'], output: ['1: a', '1: b'] }],
  },
  'keeps its state by connection, weakly': {
    stage: (() => {
      const counts = new WeakMap<Connection, number>()
      return map('weak', (line, connection) => {
        counts.set(connection, (counts.get(connection) ?? 0) + 1)
        return `${counts.get(connection)}${line}`
      })
    })(),
    examples: [{ input: ['a', 'b'], output: ['1a', '2b'] }],
  },
  'repeats each line': {
    stage: lineStage('twice', () => ({
      transform: (line, controller) => {
        controller.enqueue(line)
        controller.enqueue(line)
      },
    })),
    examples: through(['a', 'b'], ['a', 'a', 'b', 'b']),
  },
  'drops all': {
    stage: lineStage('none', () => ({ transform: () => {} })),
    examples: through(['a', 'b'], []),
  },
  'drops bytes, however many': {
    stage: byteStage('null', () => ({ transform: () => {} })),
    examples: [{ input: 'abc', output: '' }],
  },
  'drops repeated lines': {
    stage: lineStage('uniq', () => {
      let last: string | undefined
      return {
        transform: (line, controller) => {
          if (line !== last) controller.enqueue(line)
          last = line
        },
      }
    }),
    examples: through(['a', 'a', 'b'], ['a', 'b']),
  },
  'ends the connection': { stage: take<string>(2), examples: through(['a', 'b', 'c'], ['a', 'b']) },
  'fails for a bad line': {
    stage: map('strict', line => {
      if (line === '!') throw new InvalidFrameError('strict', 'it is !')
      return line
    }),
    examples: [{ input: ['a', '!', 'b'], output: ['a'], error: 'ERR_BYWASH_INVALID_FRAME' }],
  },
  'reports a bad line': {
    stage: lineStage('lenient', () => ({
      transform: (line, controller) => {
        if (line === '!') controller.report(new InvalidFrameError('lenient', 'it is !'))
        else controller.enqueue(line)
      },
    })),
    examples: [{ input: ['a', '!', 'b'], output: ['a', 'b'], reports: ['ERR_BYWASH_INVALID_FRAME'] }],
  },
  'keeps the last 1,000 lines': {
    stage: lineStage('history', () => {
      const last: string[] = []
      return {
        transform: (line, controller) => {
          last.push(line)
          if (last.length > 1000) last.shift()
          controller.enqueue(line === 'how many' ? `${last.length}` : line)
        },
      }
    }),
    examples: through(['a', 'how many'], ['a', '2']),
  },
  'caches results by line': {
    stage: (() => {
      const cache = new Map<string, string>()
      return map('cached', line => {
        const known = cache.get(line) ?? createHash('sha256').update(line).digest('hex').slice(0, 4)
        cache.set(line, known)
        return known
      })
    })(),
    examples: through(['a'], ['ca97']),
  },
  'gathers lines by ten': {
    stage: stage<string, string[]>({
      name: 'tens',
      accepts: 'line',
      emits: 'value',
      open: () => {
        let ten: string[] = []
        return {
          transform: (line, controller) => {
            if (ten.push(line) < 10) return
            controller.enqueue(ten)
            ten = []
          },
          flush: controller => {
            if (ten.length > 0) controller.enqueue(ten)
          },
        }
      },
    }),
    examples: [{ input: ['a', 'b'], output: [['a', 'b']] }],
  },
  'gathers up to 5,000 lines': {
    stage: stage<string, string[]>({
      name: 'batch',
      accepts: 'line',
      emits: 'value',
      open: () => {
        let batch: string[] = []
        const give = (controller: Controller<string[]>) => {
          if (batch.length > 0) controller.enqueue(batch)
          batch = []
        }
        return {
          transform: (line, controller) => {
            if (batch.push(line) === 5000) give(controller)
          },
          flush: give,
        }
      },
    }),
    examples: [{ input: ['a', 'b'], output: [['a', 'b']] }],
  },
  'gathers all by design': {
    stage: lineStage('sorted', () => {
      const all: string[] = []
      return {
        transform: line => void all.push(line),
        flush: controller => {
          for (const line of all.sort()) controller.enqueue(line)
        },
      }
    }),
    examples: through(['b', 'a'], ['a', 'b']),
    options: { held: Number.POSITIVE_INFINITY },
  },
  'hashes all, and keeps nothing': {
    stage: stage<Buffer, string>({
      name: 'sha',
      accepts: 'bytes',
      emits: 'line',
      open: () => {
        const hash = createHash('sha256')
        return {
          transform: chunk => void hash.update(chunk),
          flush: controller => controller.enqueue(hash.digest('hex').slice(0, 8)),
        }
      },
    }),
    examples: [{ input: 'abc', output: ['ba7816bf'] }],
  },
  'gathers a turn of lines into one': {
    stage: stage<string, Buffer>({
      name: 'joined',
      accepts: 'line',
      emits: 'bytes',
      open: () => {
        let text = ''
        return {
          transform: line => {
            text += `${line}\n`
          },
          readComplete: controller => {
            if (text !== '') controller.enqueue(Buffer.from(text))
            text = ''
          },
        }
      },
    }),
    examples: [{ input: ['a', 'é'], output: 'a\né\n' }],
  },
  'decodes UTF-8': {
    stage: stage<Buffer, Buffer>({
      name: 'upper',
      accepts: 'bytes',
      emits: 'bytes',
      open: () => {
        const text = new StringDecoder()
        return {
          transform: (chunk, controller) => {
            const part = text.write(chunk).toUpperCase()
            if (part !== '') controller.enqueue(Buffer.from(part))
          },
          flush: controller => {
            const rest = text.end()
            if (rest !== '') controller.enqueue(Buffer.from(rest))
          },
        }
      },
    }),
    examples: [{ input: 'né€', output: 'NÉ€' }],
  },
  'tells the progress of a frame that is not complete': {
    stage: decoder('progress', () => {
      let length = 0
      return {
        transform: (chunk, controller) => {
          for (const byte of chunk) controller.enqueue(`${length++}: ${byte}`)
        },
        unfinished: () => Math.min(length, 1),
      }
    }),
    examples: [{ input: 'ab', output: ['0: 97', '1: 98'] }],
  },
  'decodes lengths with a limit': {
    stage: lengthDecoder(),
    examples: [
      { input: Buffer.from('00000002616200000000', 'hex'), output: [Buffer.from('ab'), Buffer.alloc(0)] },
      { input: Buffer.from('0000000261', 'hex'), output: [], error: 'ERR_BYWASH_INVALID_FRAME' },
    ],
  },
  'decodes lines byte by byte': {
    stage: byteByByte(),
    examples: [{ input: 'ab\né\nx', output: ['ab', 'é', 'x'] }],
  },
  'decodes lines with a limit of a mebibyte': {
    stage: lines({ maxLength: 1_048_576 }),
    examples: [{ input: 'ab\ncd', output: ['ab', 'cd'] }],
  },
  'decodes lines of 16 MiB and drops an unfinished one': {
    isLong: true,
    stage: lines({ maxLength: 16_777_216, partial: 'drop' }),
    examples: [{ input: 'ab\ncd', output: ['ab'] }],
  },
  'decodes lines and skips long ones': {
    stage: lines({ maxLength: 3, overflow: 'skip' }),
    examples: [{ input: 'ab\nlonger\ncd\n', output: ['ab', 'cd'] }],
  },
  'encodes frames': {
    stage: stage<Frame, Buffer>({
      name: 'stuffed',
      accepts: 'frame',
      emits: 'bytes',
      open: () => ({
        transform: (frame, controller) => {
          const head = Buffer.alloc(2)
          head.writeUInt16BE(frame.length)
          controller.enqueue(Buffer.concat([head, frame]))
        },
      }),
    }),
    examples: [{ input: [Buffer.from('ab'), Buffer.alloc(0)], output: Buffer.from('000261620000', 'hex') }],
  },
  'joins fragments, with a limit': {
    stage: lineStage('fragments', () => {
      let text = ''
      return {
        transform: (line, controller) => {
          text += line.replace(/\\$/, '')
          if (text.length > 10_000) throw new FrameTooLongError('fragments', 'line', 10_000)
          if (line.endsWith('\\')) return
          controller.enqueue(text)
          text = ''
        },
        flush: controller => {
          if (text !== '') controller.enqueue(text)
        },
      }
    }),
    examples: through(['a\\', 'b', 'c'], ['ab', 'c']),
  },
  greets: { stage: welcome('Hi\n'), examples: [{ input: 'a', output: 'Hi\na' }] },
  'adds a header and a trailer': {
    stage: byteStage('framed', () => ({
      start: controller => controller.enqueue(Buffer.from('<')),
      flush: controller => controller.enqueue(Buffer.from('>')),
    })),
    examples: [
      { input: 'a', output: '<a>' },
      { input: '', output: '<>' },
    ],
  },
  'times an idle connection out': {
    stage: lineStage('idle', ({ clock }) => {
      let timer: unknown
      return {
        start: controller => {
          timer = clock.setTimeout(() => controller.terminate(), 60_000)
        },
        transform: (line, controller) => {
          controller.enqueue(line)
        },
        close: () => clock.clearTimeout(timer),
      }
    }),
    examples: abc,
  },
  'has a timer of the process, unref, that it clears': {
    stage: lineStage('timer', () => {
      const timer = setInterval(() => {}, 1000).unref()
      return { close: () => clearInterval(timer) }
    }),
    examples: abc,
  },
  'shares one timer of the process, unref, with all connections': {
    stage: lineStage('shared timer', () => {
      sharedTimer ??= setInterval(() => {}, 1000).unref()
      return {}
    }),
    examples: abc,
  },
  'waits for real time': {
    stage: asyncMap('slow', async (line: string) => {
      await delay(1)
      return line
    }),
    examples: abc,
    options: { random: 2 },
  },
  'waits for real time, until the connection is over': {
    stage: asyncMap('abortable', (line: string, { signal }) => delay(1, line, { signal })),
    examples: abc,
    options: { random: 2 },
  },
  'has a deadline for each line, of a signal': {
    stage: asyncMap('signal', async (line: string, { signal }) => {
      const deadline = AbortSignal.any([signal, AbortSignal.timeout(30_000)])
      await null
      deadline.throwIfAborted()
      return line
    }),
    examples: abc,
  },
  'has a deadline for work of the thread pool': {
    stage: asyncMap('deadline', async (line: string, { clock, signal }) => {
      let isLate = false
      const timer = clock.setTimeout(() => {
        isLate = true
      }, 1000)
      const stop = () => clock.clearTimeout(timer)
      signal.addEventListener('abort', stop, { once: true })
      const file = await openFile('/dev/null')
      await file.close()
      stop()
      signal.removeEventListener('abort', stop)
      if (isLate) throw new Error('too slow')
      return line
    }),
    examples: through(['a']),
    options: { random: 0 },
  },
  'works on many lines at once': {
    stage: asyncMap('many', async (line: string) => line, { concurrency: 32 }),
    examples: through(Array.from({ length: 30 }, (_, n) => `${n}`)),
  },
  'listens to the signal for each of many lines at once': {
    stage: asyncMap(
      'listening',
      (line: string, { signal, clock }) =>
        new Promise<string>(resolve => {
          setMaxListeners(0, signal)
          const stop = () => clock.clearTimeout(timer)
          const timer = clock.setTimeout(() => {
            signal.removeEventListener('abort', stop)
            resolve(line)
          }, 10)
          signal.addEventListener('abort', stop, { once: true })
        }),
      { concurrency: 32 },
    ),
    examples: through(Array.from({ length: 48 }, (_, n) => `${n}`)),
  },
  'listens to an emitter until it is closed': {
    stage: lineStage('bus', () => {
      const listener = () => {}
      bus.on('x', listener)
      return { close: () => void bus.off('x', listener) }
    }),
    examples: abc,
  },
  'is a stream of through2': {
    stage: fromStream('t2', () => through2((chunk: Buffer, _, callback) => callback(null, chunk)) as never),
    examples: [{ input: 'abc', output: 'abc' }],
  },
  'is a stream of through2 for lines': {
    stage: fromStream<string, string>(
      't2 lines',
      () => objectTransform((line: string, _, callback) => callback(null, `${line}.`)) as never,
      { accepts: 'line', emits: 'line' },
    ),
    examples: through(['a', 'b'], ['a.', 'b.']),
  },
  'is a stream of split2, with a limit': {
    stage: fromStream<Buffer, string>('split', () => split2({ maxLength: 65_536 }) as never, {
      accepts: 'bytes',
      emits: 'line',
    }),
    examples: [{ input: 'a\nb\nc', output: ['a', 'b', 'c'] }],
  },
  'is two streams with the default marks': {
    stage: pipeline()
      .through(fromStream('one', () => new PassThrough()))
      .through(fromStream('two', () => new PassThrough({ highWaterMark: 65_536 })))
      .through(fromStream('three', () => new PassThrough({ highWaterMark: 65_536 }))),
    examples: [{ input: 'abc', output: 'abc' }],
  },
  'is a Duplex of its own': {
    stage: fromStream('own', () => {
      let release: (() => void) | undefined
      return new Duplex({
        write(chunk, _encoding, callback) {
          if (this.push(chunk)) callback()
          else release = callback
        },
        final(callback) {
          this.push(null)
          callback()
        },
        read() {
          const next = release
          release = undefined
          next?.()
        },
      })
    }),
    examples: [{ input: 'abc', output: 'abc' }],
  },
  'answers late, from the thread pool': { stage: squeezed(), examples: [{ input: 'xxx', output: 'xxx' }] },
  'compresses and decompresses': {
    stage: pipeline().through(gzip()).through(gunzip()),
    examples: [{ input: 'hello', output: 'hello' }],
  },
  'compresses and decompresses with streams of Node, which give nothing for long': {
    isLong: true,
    stage: pipeline()
      .through(fromStream('zip', () => createGzip()))
      .through(fromStream('unzip', () => createGunzip())),
    examples: [{ input: 'hello', output: 'hello' }],
    options: { random: 0 },
  },
  'compresses and decompresses with brotli': {
    isLong: true,
    stage: pipeline()
      .through(fromStream('brotli', () => createBrotliCompress()))
      .through(fromStream('unbrotli', () => createBrotliDecompress())),
    examples: [{ input: 'hello', output: 'hello' }],
    options: { random: 0 },
  },
  'waits by the clock for each byte': {
    stage: throttle({ bytesPerSecond: 10 }),
    examples: [{ input: 'hello', output: 'hello' }],
  },
  'is a pipeline': {
    stage: pipeline().through(lines()).through(grep('a')).through(uppercase()).through(toLines()),
    examples: [{ input: 'ab\nc\nxa', output: 'AB\nXA\n' }],
  },
  'is made of options of every sort, which it only reads': {
    stage: (options: Options) =>
      map('optioned', line => (options.words.has(line) ? `${options.names.get(line)?.join()}` : line)),
    examples: through(['a', 'b'], ['1,2', 'b']),
    options: {
      parameters: [
        {
          words: new Set(['a']),
          names: new Map([['a', [1, 2]]]),
          bytes: new Uint8Array(3),
          view: new DataView(new ArrayBuffer(2)),
          wide: new Float64Array(2),
          date: new Date(0),
          none: Object.create(null),
          expression: /a/g,
          stream: new PassThrough(),
          [Symbol('key')]: 1,
        },
      ],
    },
  },
  'is given an emitter and an object that refers to itself': {
    stage: (_emitter: EventEmitter, options: object) => map('looped', line => (options === null ? '' : line)),
    examples: abc,
    options: { parameters: [new EventEmitter(), loop(1)] },
  },
}

interface Options {
  readonly words: ReadonlySet<string>
  readonly names: ReadonlyMap<string, readonly number[]>
}

function loop(n: number): object {
  const object: Record<string, unknown> = { n }
  object.self = object
  return object
}

/** Clears what a stage of these has kept. */
export function clearShared(): void {
  clearInterval(sharedTimer)
  sharedTimer = undefined
  look.mock.resetCalls()
}
