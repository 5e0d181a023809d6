import { type Duplex, Transform, type TransformCallback } from 'node:stream'
import { type Connection, type Controller, fromStream, stage, type Transformer } from '../../lib/index.js'

const LINES = { accepts: 'line', emits: 'line' } as const
type Transforming = (line: string, callback: TransformCallback, stream: Transform) => void

/** What a stage's own stream may do wrong with a line. The first connection is the bystander's. */
export const MISBEHAVIOURS: readonly { readonly title: string; readonly transform: Transforming }[] = [
  {
    title: 'calls back twice',
    transform: (line, callback) => {
      callback(null, line)
      callback(null, line)
    },
  },
  {
    title: 'calls back twice, the second time later',
    transform: (line, callback) => {
      callback(null, line)
      setImmediate(callback, null, line)
    },
  },
  { title: 'never calls back', transform: () => {} },
  {
    title: 'pushes after its end',
    transform: (line, callback, stream) => {
      stream.push(null)
      callback(null, line)
    },
  },
  { title: 'emits a number', transform: (_line, callback) => callback(null, 7) },
  { title: 'emits bytes', transform: (line, callback) => callback(null, Buffer.from(line)) },
  {
    title: 'emits undefined',
    transform: (_line, callback, stream) => {
      stream.emit('data', undefined)
      callback()
    },
  },
  {
    title: 'emits null',
    transform: (_line, callback, stream) => {
      stream.emit('data', null)
      callback()
    },
  },
  { title: 'calls back with an error', transform: (_line, callback) => callback(new Error('boom')) },
  {
    title: 'throws',
    transform: () => {
      throw new Error('boom')
    },
  },
]

function streamFor({ id }: Connection): Duplex {
  const chosen = MISBEHAVIOURS[id - 2]?.transform ?? ((line, callback) => callback(null, line))
  const stream = new Transform({
    objectMode: true,
    transform: (line, _encoding, callback) => chosen(line, callback, stream),
  })
  return stream
}

/** Does wrong as the number of the connection says. */
export const misbehaving = fromStream<string, string>('misbehaving', streamFor, LINES)

type Mistake = (line: string, controller: Controller<unknown>) => unknown

/** What a synchronous stage may do wrong with a line. The first connection is the bystander's. */
export const MISTAKES: readonly { readonly title: string; readonly transform: Mistake }[] = [
  { title: 'emits a number', transform: (_line, controller) => controller.enqueue(7) },
  { title: 'emits bytes', transform: (line, controller) => controller.enqueue(Buffer.from(line)) },
  { title: 'emits null', transform: (_line, controller) => controller.enqueue(null) },
  { title: 'emits undefined', transform: (_line, controller) => controller.enqueue(undefined) },
  { title: 'emits a promise', transform: (line, controller) => controller.enqueue(Promise.resolve(line)) },
  {
    title: 'returns a promise that is rejected',
    transform: async () => {
      throw new Error('boom')
    },
  },
  {
    title: 'goes on after its end',
    transform: (line, controller) => {
      controller.terminate()
      controller.enqueue(line)
    },
  },
]

/** Makes a mistake as the number of the connection says. */
export const mistaken = stage<string, string>({
  name: 'mistaken',
  ...LINES,
  open: ({ id }) => {
    const chosen = MISTAKES[id - 2]?.transform ?? ((line, controller) => controller.enqueue(line))
    return { transform: chosen } as Transformer<string, string>
  },
})
