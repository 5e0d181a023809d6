import { EventEmitter, once } from 'node:events'
import { connect } from 'node:net'
import t, { type Test } from 'tap'
import { lines, type Pipeline, pipeline, toLines, uppercase } from '../../../lib/index.js'
import { type Defined, DefinedListeners, ownWorker } from '../../../lib/listener/workers/defined-listeners.js'
import type { PrimaryMessage, WorkerMessage } from '../../../lib/listener/workers/messages.js'
import type { IpcProcess } from '../../../lib/listener/workers/primary-acceptor.js'
import { freePort } from '../../free-port.js'

/** The link of a worker to its primary, which the test is. */
class FakeLink extends EventEmitter implements IpcProcess {
  readonly sent: WorkerMessage[] = []
  readonly channel = { unref: () => {} }

  send(message: WorkerMessage): void {
    this.sent.push(message)
    this.emit('sent')
  }

  tell(message: PrimaryMessage | undefined): void {
    this.emit('message', message)
  }

  /** Waits until the worker has said something. */
  async heard(bywash: WorkerMessage['bywash']): Promise<WorkerMessage> {
    for (;;) {
      const found = this.sent.find(message => message.bywash === bywash)
      if (found !== undefined) return found
      await once(this, 'sent')
    }
  }
}

const upper: Pipeline<Buffer, Buffer> = pipeline().through(lines()).through(uppercase()).through(toLines())

/** A worker in this process: its listeners have sockets of their own, as without workers. */
function worker(t: Test) {
  const link = new FakeLink()
  const made: unknown[] = []
  const make = async (definition: unknown): Promise<Defined> => {
    made.push(definition)
    if (definition === 'wrong') throw new Error('nothing can be made of it')
    return {
      pipeline: definition === 'upper' ? upper : pipeline(),
      options: { host: '127.0.0.1', port: 0, onOpen: () => link.emit('open') },
    }
  }
  const listeners = new DefinedListeners({ number: 3, link }, make)
  t.teardown(() => listeners.close({ timeout: 0 }))
  return { link, listeners, made }
}

t.test('this process is no worker', async t => {
  t.equal(ownWorker(), undefined)
})

t.test('a worker opens what is defined for it, changes it, and is over when all is closed', async t => {
  const { link, listeners, made } = worker(t)
  t.equal(listeners.worker, 3)
  t.strictSame(link.sent, [{ bywash: 'follow' }])
  link.tell(undefined)
  link.tell({ bywash: 'ping' })
  link.tell({ bywash: 'change', listener: 'unknown', definition: 'upper' })
  t.strictSame(await link.heard('changed'), { bywash: 'changed', listener: 'unknown', error: undefined })
  t.strictSame(made, [], 'of what it does not have it makes nothing')
  link.tell({ bywash: 'define', listener: 'a', definition: 'echo' })
  link.tell({ bywash: 'define', listener: 'b', definition: 'upper' })
  link.sent.length = 0
  link.tell({ bywash: 'change', listener: 'a', definition: 'upper' })
  t.strictSame(await link.heard('changed'), { bywash: 'changed', listener: 'a', error: undefined })
  link.sent.length = 0
  link.tell({ bywash: 'change', listener: 'b', definition: 'wrong' })
  t.strictSame(await link.heard('changed'), {
    bywash: 'changed',
    listener: 'b',
    error: 'nothing can be made of it',
  })
  t.strictSame(await listeners.close({ timeout: 0 }), { forced: 0 })
  t.strictSame(await listeners.closed, { forced: 0 })
  t.equal(link.listenerCount('message'), 0)
})

t.test('a close says how many connections it has cut off', async t => {
  const link = new FakeLink()
  let port = 0
  const options = { host: '127.0.0.1', port: 0 }
  const listeners = new DefinedListeners({ number: 1, link }, async () => ({
    pipeline: upper,
    options: {
      ...options,
      onOpen: () => link.emit('open'),
      get port() {
        return port
      },
    },
  }))
  port = await freePort()
  link.tell({ bywash: 'define', listener: 'a', definition: 1 })
  link.tell({ bywash: 'change', listener: 'a', definition: 1 })
  await link.heard('changed')
  const opened = once(link, 'open')
  const socket = connect(port, '127.0.0.1').on('error', () => {})
  socket.write('half a line')
  await opened
  const ended = new Promise(resolve => socket.resume().once('close', resolve))
  t.strictSame(await listeners.close({ timeout: 0 }), { forced: 1 })
  await ended
})
