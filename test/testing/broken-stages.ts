import { EventEmitter } from 'node:events'
import { closeSync, openSync, watch } from 'node:fs'
import { Duplex, PassThrough, Transform } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import split2 from 'split2'
import {
  asyncMap,
  type Connection,
  type Controller,
  type Frame,
  fromStream,
  InvalidFrameError,
  lines,
  map,
  type PeerError,
  pipeline,
  stage,
  welcome,
} from '../../lib/index.js'
import type { CheckStageOptions } from '../../lib/testing/index.js'
import { abc, byteStage, decoder, frameDecoder, lineStage } from './sound-stages.js'

/** A stage that breaks a law, and the name of the law. */
export interface Broken {
  readonly law: string
  readonly stage: unknown
  readonly examples?: readonly unknown[]
  readonly options?: CheckStageOptions
  /** Whether the check takes a second or more, and is left to `npm run test:all`. */
  readonly isLong?: boolean
}

/** What stages have left, to be cleared when the tests are over. */
export const left: (() => void)[] = []

const LEAKS: CheckStageOptions = { timeout: 100 }
const twoLines = [{ input: 'ab\ncd\n', output: ['ab', 'cd'] }]
const bytes = [{ input: 'abc', output: 'abc' }]
const pass = (line: string, controller: Controller<string>) => controller.enqueue(line)
const later = <Item>(item: Item) => new Promise<Item>(resolve => setImmediate(resolve, item))

/** A decoder of lines with something wrong. */
function splitting(more: {
  /** Adds a chunk to those of the unfinished line. */
  keep?: (rest: Buffer[], chunk: Buffer) => Buffer[]
  limit?: number
  unfinished?: (frames: number, length: number) => unknown
  partial?: boolean
}) {
  const { keep, limit = Number.POSITIVE_INFINITY, unfinished } = more
  return decoder('splitting', () => {
    let rest: Buffer[] = []
    let length = 0
    let frames = 0
    const add = (chunk: Buffer) => {
      if (keep) rest = keep(rest, chunk)
      else rest.push(chunk)
      length += chunk.length
    }
    const takeLine = () => {
      const line = Buffer.concat(rest).toString()
      rest = []
      length = 0
      frames++
      return line
    }
    return {
      transform: (chunk, controller) => {
        let from = 0
        for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, from)) {
          add(chunk.subarray(from, at))
          controller.enqueue(takeLine())
          from = at + 1
        }
        if (from < chunk.length) add(chunk.subarray(from))
        if (length > limit) throw new InvalidFrameError('splitting', 'it is too long')
      },
      flush: controller => {
        if (length > 0 && more.partial !== false) controller.enqueue(takeLine())
      },
      ...(unfinished && { unfinished: () => unfinished(frames, length) as number }),
    }
  })
}

/** A decoder of 4-byte lengths. `check` is called with each length. */
function lengths(check: (length: number) => void) {
  return frameDecoder('lengths', () => {
    let chunks: Buffer[] = []
    let size = 0
    return {
      transform: (chunk, controller) => {
        chunks.push(chunk)
        size += chunk.length
        for (;;) {
          if (size < 4) return
          if ((chunks[0] as Buffer).length < 4) chunks = [Buffer.concat(chunks)]
          const length = (chunks[0] as Buffer).readUInt32BE()
          check(length)
          if (size < 4 + length) return
          const all = Buffer.concat(chunks)
          controller.enqueue(Buffer.from(all.subarray(4, 4 + length)))
          chunks = [all.subarray(4 + length)]
          size -= 4 + length
        }
      },
    }
  })
}

/** Passes lines on, and does something with the connection when it opens. */
const opening = (open: (connection: Connection) => void) =>
  lineStage('opening', connection => {
    open(connection)
    return { transform: pass }
  })

/** Passes lines on, and does something with each. */
const doing = (what: (line: string, connection: Connection) => unknown) =>
  lineStage('doing', connection => ({
    transform: (line, controller) => {
      what(line, connection)
      controller.enqueue(line)
    },
  }))

/** A stage that keeps something of each line as long as its connection lives. */
const keeping = (remember: () => (line: string) => unknown) =>
  lineStage('keeping', () => {
    const look = remember()
    return {
      transform: (line, controller) => {
        look(line)
        controller.enqueue(line)
      },
    }
  })

/** A stream that answers when its input has ended. */
const takesAll = fromStream('takes all', () => {
  const chunks: Buffer[] = []
  return new Duplex({
    write(chunk, _encoding, callback) {
      chunks.push(chunk)
      callback()
    },
    final(callback) {
      for (const chunk of chunks) this.push(chunk)
      this.push(null)
      callback()
    },
    read() {},
  })
})

let shared = 0
const sharedRest: string[] = []

export const BROKEN: Record<string, Broken> = {
  'counts all connections together': {
    law: 'isolation',
    stage: map('shared', line => `${++shared} ${line}`),
    examples: [{ input: ['a'], output: ['1 a'] }],
  },
  'gathers the lines of all connections together': {
    law: 'isolation',
    stage: lineStage('gathered', () => ({
      transform: line => void sharedRest.push(line),
      flush: controller => {
        for (const line of sharedRest.splice(0)) controller.enqueue(line)
      },
    })),
    examples: abc,
  },
  'keeps its state by the first letters of an id': {
    law: 'isolation',
    stage: (() => {
      const counts = new Map<string, number>()
      return map('by letter', (line, { id }) => {
        const key = String(id).slice(0, 0)
        counts.set(key, (counts.get(key) ?? 0) + 1)
        return `${counts.get(key)}${line}`
      })
    })(),
    examples: [{ input: ['a'], output: ['1a'] }],
  },

  // unchanged
  'upper-cases the chunk in place': {
    law: 'unchanged',
    stage: byteStage('in place', () => ({
      transform: (chunk, controller) => {
        for (const [at, byte] of chunk.entries()) if (byte > 0x60) chunk[at] = byte - 32
        controller.enqueue(chunk)
      },
    })),
    examples: [{ input: 'abc', output: 'ABC' }],
  },
  'writes into a chunk that it was given, and gives the wrong output too': {
    law: 'unchanged',
    stage: byteStage('wiped', () => ({
      transform: (chunk, controller) => {
        controller.enqueue(Buffer.from(chunk))
        chunk.fill(0)
      },
    })),
    examples: [{ input: 'abc', output: 'abcd' }],
  },
  'gives the same object again': {
    law: 'unchanged',
    stage: stage<string, { line: string }>({
      name: 'reused',
      accepts: 'line',
      emits: 'value',
      open: () => {
        const value = { line: '' }
        return {
          transform: (line, controller) => {
            value.line = line
            controller.enqueue(value)
          },
        }
      },
    }),
    examples: [{ input: ['a', 'b'], output: [{ line: 'a' }, { line: 'b' }] }],
  },
  'gives the same Map again': {
    law: 'unchanged',
    stage: stage<string, Map<string, number>>({
      name: 'reused map',
      accepts: 'line',
      emits: 'value',
      open: () => {
        const counts = new Map<string, number>()
        return {
          transform: (line, controller) => {
            counts.set(line, 1)
            controller.enqueue(counts)
          },
        }
      },
    }),
    examples: [{ input: ['a', 'b'], output: [new Map([['a', 1]]), new Map([['b', 1]])] }],
  },
  'changes a Set that it is given as an item': {
    law: 'unchanged',
    stage: map('adds', (set: Set<number>) => set.add(1).size, { accepts: 'value', emits: 'value' }),
    examples: [{ input: [new Set([2])], output: [2] }],
  },
  'takes from a Map of its options': {
    law: 'isolation',
    stage: (names: Map<string, string>) =>
      map('names', line => {
        const name = names.get(line) ?? line
        names.delete(line)
        return name
      }),
    examples: [
      { input: ['b'], output: ['b'] },
      { input: ['a'], output: ['1'] },
    ],
    options: { parameters: [new Map([['a', '1']])] },
  },
  'adds to a Set of its options': {
    law: 'unchanged',
    stage: ({ words }: { words: Set<string> }) => {
      words.add('the')
      return map('words', line => line)
    },
    examples: abc,
    options: { parameters: [{ words: new Set() }] },
  },
  'sorts a list in a Map of its options': {
    law: 'unchanged',
    stage: (lists: Map<string, number[]>) => {
      lists.get('a')?.sort()
      return map('lists', line => line)
    },
    examples: abc,
    options: { parameters: [new Map([['a', [2, 1]]])] },
  },

  // example, cuts
  'adds a line at the end': {
    law: 'example',
    stage: lineStage('more', () => ({ flush: controller => controller.enqueue('more') })),
    examples: abc,
  },
  'throws for its example': {
    law: 'example',
    stage: map('throws', () => {
      throw new TypeError('boom')
    }),
    examples: abc,
  },
  'returns a promise, and goes on behind it': {
    law: 'example',
    stage: lineStage('behind', () => ({
      transform: async (line, controller) => void later(line).then(each => controller.enqueue(each)),
    })),
    examples: abc,
  },
  'decodes each chunk for itself': {
    law: 'cuts',
    stage: byteStage('chunk', () => ({
      transform: (chunk, controller) => controller.enqueue(Buffer.from(chunk.toString().toUpperCase())),
    })),
    examples: [{ input: 'né', output: 'NÉ' }],
  },
  'gives a frame for each chunk': {
    law: 'cuts',
    stage: frameDecoder('chunked', () => ({ transform: (chunk, controller) => controller.enqueue(chunk) })),
    examples: [{ input: 'ab', output: [Buffer.from('ab')] }],
  },

  // promises
  'is lazy and has a trailer': {
    law: 'lazy',
    stage: byteStage('trailer', () => ({ flush: controller => controller.enqueue(Buffer.from('.')) }), {
      lazy: true,
    }),
    examples: [{ input: 'a', output: 'a.' }],
  },
  'is lazy and starts a timer': {
    law: 'lazy',
    stage: byteStage(
      'timer',
      ({ clock }) => {
        const timer = clock.setTimeout(() => {}, 1000)
        return { close: () => clock.clearTimeout(timer) }
      },
      { lazy: true },
    ),
    examples: bytes,
  },
  "says 'asks: false' and reads the address": {
    law: 'asks',
    stage: lineStage(
      'address',
      ({ remoteAddress }) => ({
        transform: (line, controller) => controller.enqueue(`${remoteAddress ?? ''}${line}`),
      }),
      { asks: false },
    ),
    examples: abc,
  },
  'gives another greeting than it says': {
    law: 'greeting',
    stage: { ...welcome('Hello\n'), greeting: Buffer.from('Hi\n') },
    examples: [{ input: 'a', output: 'Hello\na' }],
  },
  'has a greeting and changes what follows': {
    law: 'greeting',
    stage: {
      ...byteStage('greets', () => ({
        start: controller => controller.enqueue(Buffer.from('Hi\n')),
        transform: (chunk, controller) => controller.enqueue(Buffer.from(chunk.toString().toUpperCase())),
      })),
      greeting: Buffer.from('Hi\n'),
    },
    examples: [{ input: 'A', output: 'Hi\nA' }],
  },

  // unfinished
  'is always unfinished': {
    law: 'unfinished',
    stage: splitting({ limit: 9999, unfinished: frames => frames + 1 }),
    examples: twoLines,
  },
  'is never unfinished': {
    law: 'unfinished',
    stage: splitting({ limit: 9999, unfinished: () => 0 }),
    examples: twoLines,
  },
  'throws when it is asked what is unfinished': {
    law: 'unfinished',
    stage: splitting({
      limit: 9999,
      unfinished: () => {
        throw new Error('boom')
      },
    }),
    examples: twoLines,
  },
  'throws when something is unfinished': {
    law: 'unfinished',
    stage: splitting({
      limit: 9999,
      unfinished: (_frames, length) => {
        if (length > 0) throw new Error('boom')
        return 0
      },
    }),
    examples: twoLines,
  },
  'is unfinished from the first frame on': {
    law: 'unfinished',
    stage: splitting({
      limit: 9999,
      unfinished: (frames, length) => (frames === 0 && length === 0 ? 0 : frames + 1),
    }),
    examples: twoLines,
  },
  'has one number for all frames': {
    law: 'unfinished',
    stage: splitting({ limit: 9999, unfinished: (_frames, length) => (length > 0 ? 1 : 0) }),
    examples: twoLines,
  },
  'says true for unfinished': {
    law: 'unfinished',
    stage: splitting({ limit: 9999, unfinished: (_frames, length) => length > 0 }),
    examples: twoLines,
  },
  'is a stream that is never unfinished': {
    law: 'unfinished',
    stage: fromStream<Buffer, string>(
      'never',
      () => Object.assign(split2({ maxLength: 9999 }), { unfinished: () => 0 }) as never,
      {
        accepts: 'bytes',
        emits: 'line',
      },
    ),
    examples: [{ input: 'ab\ncd\n', output: ['ab', 'cd'] }],
  },
  'says 0 in front of an end that is an error': {
    law: 'unfinished',
    stage: byteStage('pairs', () => {
      let half: Buffer | undefined
      return {
        transform: (chunk, controller) => {
          const all = half ? Buffer.concat([half, chunk]) : chunk
          const whole = all.length - (all.length % 2)
          half = all.length > whole ? Buffer.from(all.subarray(whole)) : undefined
          if (whole > 0) controller.enqueue(Buffer.from(all.subarray(0, whole)))
        },
        unfinished: () => 0,
        flush: () => {
          if (half) throw new InvalidFrameError('pairs', 'half a pair')
        },
      }
    }),
    examples: [{ input: 'abc', output: 'ab', error: 'ERR_BYWASH_INVALID_FRAME' }],
  },

  // life, late, uncaught
  'throws in close': {
    law: 'life',
    stage: lineStage('closing', () => ({
      close: () => {
        throw new Error('boom')
      },
    })),
    examples: abc,
  },
  'gives what is left in close': {
    law: 'late',
    stage: lineStage('late', () => {
      let last: Controller<string>
      return {
        start: controller => {
          last = controller
        },
        close: () => last.enqueue('late'),
      }
    }),
    examples: abc,
  },
  'waits for a promise that is rejected': {
    law: 'uncaught',
    stage: doing(() => void Promise.reject(new Error('boom'))),
    examples: abc,
  },
  'is rejected a little later': {
    law: 'uncaught',
    stage: doing(async () => {
      await later(0)
      throw new Error('boom')
    }),
    examples: abc,
  },
  'is rejected when the client resets': {
    law: 'uncaught',
    stage: opening(({ signal }) => void delay(3_600_000, undefined, { signal })),
    examples: abc,
  },
  'is rejected in close': {
    law: 'uncaught',
    stage: lineStage('closing', () => ({
      transform: pass,
      close: () => void later(0).then(() => Promise.reject(new Error('boom'))),
    })),
    examples: abc,
  },
  'throws in a timer of the process': {
    law: 'uncaught',
    stage: doing(() => {
      setImmediate(() => {
        throw new Error('boom')
      })
    }),
    examples: abc,
  },
  "has a stream inside that says 'error'": {
    law: 'uncaught',
    stage: opening(() => void new PassThrough().destroy(new Error('boom'))),
    examples: abc,
  },

  // leaks
  'leaves a timer of the process': {
    law: 'leaks',
    stage: opening(() => {
      const timer = setTimeout(() => {}, 3_600_000)
      left.push(() => clearTimeout(timer))
    }),
    examples: abc,
    options: LEAKS,
  },
  'leaves a timer of the process, unref': {
    law: 'leaks',
    stage: opening(() => {
      const timer = setTimeout(() => {}, 3_600_000).unref()
      left.push(() => clearTimeout(timer))
    }),
    examples: abc,
    options: LEAKS,
  },
  'leaves an interval, unref': {
    law: 'leaks',
    stage: opening(() => {
      const timer = setInterval(() => {}, 1000).unref()
      left.push(() => clearInterval(timer))
    }),
    examples: abc,
    options: LEAKS,
  },
  'leaves a promise of a timer, unref': {
    law: 'leaks',
    stage: opening(() => {
      const stop = new AbortController()
      left.push(() => stop.abort())
      void delay(3_600_000, undefined, { ref: false, signal: stop.signal }).catch(() => {})
    }),
    examples: abc,
    options: LEAKS,
  },
  'leaves a timer, unref, only after a reset': {
    law: 'leaks',
    stage: lineStage('after reset', () => {
      const timer = setTimeout(() => {}, 3_600_000).unref()
      left.push(() => clearTimeout(timer))
      return { transform: pass, close: ({ reason }) => reason !== 'client-reset' && clearTimeout(timer) }
    }),
    examples: abc,
    options: LEAKS,
  },
  'leaves a descriptor': {
    law: 'leaks',
    stage: opening(() => {
      const file = openSync('/dev/null', 'r')
      left.push(() => closeSync(file))
    }),
    examples: abc,
    options: LEAKS,
  },
  'leaves a descriptor only after a reset': {
    law: 'leaks',
    stage: lineStage('file', () => {
      const file = openSync('/dev/null', 'r')
      return {
        transform: pass,
        close: ({ reason }) => {
          if (reason === 'client-reset') left.push(() => closeSync(file))
          else closeSync(file)
        },
      }
    }),
    examples: abc,
    options: LEAKS,
  },
  'leaves a watched file, unref': {
    law: 'leaks',
    stage: opening(() => {
      const watcher = watch('.', { persistent: false })
      left.push(() => watcher.close())
    }),
    examples: abc,
    options: LEAKS,
  },
  'leaves a listener on the process': {
    law: 'leaks',
    stage: opening(() => {
      const listener = () => {}
      process.setMaxListeners(0).on('SIGUSR2', listener)
      left.push(() => process.off('SIGUSR2', listener))
    }),
    examples: abc,
    options: LEAKS,
  },
  'leaves a timer of the clock': {
    law: 'leaks',
    stage: opening(({ clock }) => void clock.setTimeout(() => {}, 1000)),
    examples: abc,
  },
  'leaves a listener on the signal': {
    law: 'leaks',
    stage: opening(({ signal }) => signal.addEventListener('abort', () => {})),
    examples: abc,
  },

  // stalled, end
  'is a stream that takes all': {
    law: 'stalled',
    stage: takesAll,
    examples: bytes,
  },
  'is a pipeline with a stage that takes all': {
    law: 'stalled',
    stage: pipeline()
      .through(byteStage('none', () => ({})))
      .through(takesAll),
    examples: bytes,
  },
  'returns a promise that never settles': {
    law: 'end',
    stage: lineStage('waiting', () => ({ transform: () => new Promise<void>(() => {}) })),
    examples: abc,
    options: { timeout: 50 },
  },
  'never calls back': {
    law: 'end',
    stage: fromStream('stuck', () => new Transform({ transform: () => {} })),
    examples: bytes,
    options: { timeout: 50 },
  },
  'loses a callback while nobody reads': {
    law: 'end',
    stage: fromStream('callback', () => {
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
          release?.()
          release = undefined
        },
      })
    }),
    examples: bytes,
    options: { timeout: 50 },
  },

  // bounded
  'has no limit for a line': {
    law: 'bounded',
    stage: splitting({}),
    examples: [{ input: 'a\n', output: ['a'] }],
  },
  'has no limit for a line, which it drops when it is unfinished': {
    law: 'bounded',
    stage: splitting({ partial: false }),
    examples: twoLines,
  },
  'is a stream without a limit for a line': {
    isLong: true,
    law: 'bounded',
    stage: fromStream<Buffer, string>('split', () => split2() as never, { accepts: 'bytes', emits: 'line' }),
    examples: [{ input: 'a\nb', output: ['a', 'b'] }],
  },
  'believes every length': {
    law: 'bounded',
    stage: lengths(() => {}),
    examples: [
      { input: Buffer.from('00000002616200000000', 'hex'), output: [Buffer.from('ab'), Buffer.alloc(0)] },
    ],
  },
  'believes a length in text': {
    law: 'bounded',
    stage: decoder('netstring', () => {
      let text = ''
      return {
        transform: (chunk, controller) => {
          text += chunk.toString('latin1')
          for (let colon = text.indexOf(':'); colon !== -1; colon = text.indexOf(':')) {
            if (colon > 9) throw new InvalidFrameError('netstring', 'the length is too long')
            const end = colon + 1 + Number(text.slice(0, colon))
            if (text.length <= end) return
            controller.enqueue(text.slice(colon + 1, end))
            text = text.slice(end + 1)
          }
          if (text.length > 9) throw new InvalidFrameError('netstring', 'the length is too long')
        },
      }
    }),
    examples: [{ input: '2:ab,0:,', output: ['ab', ''] }],
  },
  'has no limit inside quotes': {
    law: 'bounded',
    stage: decoder('quoted', () => {
      let text = ''
      let isQuoted = false
      return {
        transform: (chunk, controller) => {
          for (const [part] of chunk.toString('latin1').matchAll(/["\n]|[^"\n]+/g)) {
            if (part === '"') isQuoted = !isQuoted
            else if (part === '\n' && !isQuoted) {
              controller.enqueue(text)
              text = ''
            } else text += part
            if (!isQuoted && text.length > 100) throw new InvalidFrameError('quoted', 'it is too long')
          }
        },
      }
    }),
    examples: [{ input: '"a\nb"\nc\n', output: ['a\nb', 'c'] }],
  },
  'joins lines that end with a backslash, however many': {
    law: 'bounded',
    stage: lineStage('joined', () => {
      let text = ''
      return {
        transform: (line, controller) => {
          text += line.replace(/\\$/, '')
          if (line.endsWith('\\')) return
          controller.enqueue(text)
          text = ''
        },
      }
    }),
    examples: [{ input: ['a\\', 'b'], output: ['ab'] }],
  },
  'keeps every line of a connection': {
    law: 'bounded',
    stage: keeping(() => {
      const seen: string[] = []
      return line => seen.push(line)
    }),
    examples: abc,
  },
  'keeps the length of every line': {
    law: 'bounded',
    stage: keeping(() => {
      const seen: number[] = []
      return line => seen.push(line.length)
    }),
    examples: abc,
  },
  'keeps the time of every line in a Map': {
    law: 'bounded',
    stage: keeping(() => {
      const times = new Map<number, string>()
      return line => times.set(times.size, line)
    }),
    examples: abc,
  },
  'adds a listener to an emitter of its own for each line': {
    law: 'bounded',
    stage: keeping(() => {
      const emitter = new EventEmitter().setMaxListeners(0)
      return () => emitter.on('x', () => {})
    }),
    examples: abc,
  },
  'keeps every chunk of a connection': {
    law: 'bounded',
    stage: byteStage('kept', () => {
      const chunks: Buffer[] = []
      return {
        transform: (chunk, controller) => {
          chunks.push(chunk)
          controller.enqueue(chunk)
        },
      }
    }),
    examples: bytes,
  },
  'is a stream that keeps every chunk of a connection': {
    law: 'bounded',
    stage: fromStream('kept', () => {
      const chunks: Buffer[] = []
      return new Transform({
        transform(chunk, _encoding, callback) {
          chunks.push(chunk)
          callback(null, chunk)
        },
      })
    }),
    examples: bytes,
  },
  'keeps the errors that it has reported': {
    isLong: true,
    law: 'bounded',
    stage: lineStage('errors', () => {
      const errors: PeerError[] = []
      return {
        transform: (line, controller) => {
          const error = new InvalidFrameError('errors', line)
          errors.push(error)
          controller.report(error)
        },
      }
    }),
    examples: [{ input: ['a'], output: [], reports: ['ERR_BYWASH_INVALID_FRAME'] }],
    options: { held: 4096 },
  },

  // work
  'copies what it has with each chunk': {
    law: 'work',
    stage: splitting({ limit: 65_536, keep: (rest, chunk) => [Buffer.concat([...rest, chunk])] }),
    examples: twoLines,
  },
  'searches all that it has with each chunk': {
    law: 'work',
    stage: decoder('searching', () => {
      const memory = Buffer.alloc(70_000)
      let length = 0
      return {
        transform: (chunk, controller) => {
          length += chunk.copy(memory, length)
          for (
            let at = memory.subarray(0, length).indexOf(10);
            at !== -1;
            at = memory.subarray(0, length).indexOf(10)
          ) {
            controller.enqueue(memory.toString('latin1', 0, at))
            memory.copy(memory, 0, at + 1, length)
            length -= at + 1
          }
          if (length > 65_536) throw new InvalidFrameError('searching', 'it is too long')
        },
      }
    }),
    examples: twoLines,
  },
  'splits all its text with each chunk': {
    law: 'work',
    stage: decoder('text', () => {
      let text = ''
      return {
        transform: (chunk, controller) => {
          const parts = (text + chunk.toString('latin1')).split('\n')
          text = parts.pop() as string
          for (const part of parts) controller.enqueue(part)
          if (text.length > 65_536) throw new InvalidFrameError('text', 'it is too long')
        },
      }
    }),
    examples: twoLines,
  },
  'adds up the lengths of all its chunks with each one': {
    law: 'work',
    stage: frameDecoder('sums', () => {
      let chunks: Buffer[] = []
      return {
        transform: (chunk, controller) => {
          chunks.push(chunk)
          const size = chunks.reduce((sum, { length }) => sum + length, 0)
          if (size > 65_536) throw new InvalidFrameError('sums', 'it is too long')
          if (!chunk.includes(10)) return
          controller.enqueue(Buffer.concat(chunks, size) as Frame)
          chunks = []
        },
      }
    }),
    examples: [{ input: 'a\n', output: [Buffer.from('a\n')] }],
    options: { random: 0 },
  },
  'tries to parse all that it has with each chunk': {
    law: 'work',
    stage: stage<Buffer, unknown>({
      name: 'json',
      accepts: 'bytes',
      emits: 'value',
      open: () => {
        let text = ''
        return {
          transform: (chunk, controller) => {
            for (const character of chunk.toString('latin1')) {
              text += character
              if (text.length > 65_536) throw new InvalidFrameError('json', 'it is too long')
              try {
                controller.enqueue(JSON.parse(text))
                text = ''
              } catch {
                // It is not complete yet.
              }
            }
          },
        }
      },
    }),
    examples: [{ input: '[1]{"a":2}', output: [[1], { a: 2 }] }],
  },
  'copies a list of the last lines to add one': {
    law: 'work',
    stage: lineStage('list', () => {
      let last: string[] = []
      return {
        transform: (line, controller) => {
          last = [...last, line]
          if (last.length === 100_000) last = []
          controller.enqueue(line)
        },
      }
    }),
    examples: abc,
    options: { held: 1_000_000 },
  },

  // bytewise
  'is bytewise and looks at the place': {
    law: 'bytewise',
    stage: map('first', line => line.replace(/^x/, 'y'), { bytewise: true }),
    examples: abc,
  },
  'is a pipeline with a broken stage in it': {
    law: 'example',
    stage: pipeline()
      .through(lines())
      .through(
        lineStage('last', () => {
          let last = ''
          return {
            transform: line => {
              last = line
            },
            readComplete: controller => {
              if (last !== '') controller.enqueue(last)
              last = ''
            },
          }
        }),
      ),
    examples: [
      { input: 'a\n', output: ['a'] },
      { input: 'a\nb\n', output: ['b'] },
    ],
  },
  'is slow, and leaves its work behind': {
    law: 'leaks',
    stage: asyncMap(
      'slow',
      (line: string, { clock }) =>
        new Promise<string>(resolve => void clock.setTimeout(() => resolve(line), 250)),
    ),
    examples: abc,
  },
}
