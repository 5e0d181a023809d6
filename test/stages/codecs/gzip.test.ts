import { once } from 'node:events'
import { duplexPair } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { constants, crc32, createInflateRaw, gunzipSync, gzipSync } from 'node:zlib'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import {
  type BywashError,
  type InvalidFrameError,
  lines,
  pipeline,
  type Stage,
  tap,
  toLines,
  uppercase,
} from '../../../lib/index.js'
import { GunzipStream } from '../../../lib/stages/codecs/gunzip-stream.js'
import { delimited, type GunzipOptions, gunzip, gzip, take, toDelimited } from '../../../lib/stages/index.js'
import { chunkings, connect, runStage, type TestClient } from '../../../lib/testing/index.js'
import { PLANS } from '../../plans.js'
import { RUNS_ALL, runs } from '../../runs.js'

type Bytes = Stage<Buffer, Buffer>

/** A member with everything that a header can have. */
function fullMember(text: string, { headerChecksum = true } = {}): Buffer {
  const plain = gzipSync(text)
  const header = Buffer.concat([
    Buffer.from([0x1f, 0x8b, 8, 0x1f, 1, 2, 3, 4, 0, 255]),
    Buffer.from([3, 0, 9, 9, 0]),
    Buffer.from('name\0comment\0'),
  ])
  const checksum = Buffer.alloc(2)
  checksum.writeUInt16LE((crc32(header) & 0xffff) ^ (headerChecksum ? 0 : 1))
  return Buffer.concat([header, checksum, plain.subarray(10)])
}

function flip(bytes: Buffer, index: number): Buffer {
  const changed = Buffer.from(bytes)
  changed[index < 0 ? changed.length + index : index]! ^= 0x01
  return changed
}

/** A native handle of zlib at work. */
interface Engine {
  writes: number
  isOpen: boolean
}

/** Notes each native handle of zlib that is used in `work`. */
async function enginesOf(work: () => Promise<unknown>): Promise<Engine[]> {
  const engines = new Map<unknown, Engine>()
  const own = createInflateRaw() as unknown as { _handle: object; close: () => void }
  const native = Object.getPrototypeOf(own._handle)
  own.close()
  const { write, writeSync, close } = native
  const noting = (original: (...parameters: unknown[]) => unknown) =>
    function (this: unknown, ...parameters: unknown[]) {
      const engine = engines.get(this) ?? { writes: 0, isOpen: true }
      engines.set(this, engine)
      engine.writes++
      return original.apply(this, parameters)
    }
  native.write = noting(write)
  native.writeSync = noting(writeSync)
  native.close = function () {
    const engine = engines.get(this)
    if (engine !== undefined) engine.isOpen = false
    return close.call(this)
  }
  try {
    await work()
  } finally {
    Object.assign(native, { write, writeSync, close })
  }
  return [...engines.values()]
}

/** Headers, ends and zeros stand closer together than the places. */
const CUTS = RUNS_ALL ? { random: 4 } : { random: 1, places: 40 }

const LIMITS = { maxOutput: 67_108_864, maxRatio: 2_000, maxHeader: 65_536, maxMembers: 65_536 }

for (const plan of PLANS) {
  const run = async (stage: Bytes, chunks: Iterable<Buffer>) => {
    try {
      return { output: Buffer.concat(await runStage(stage, chunks, { plan })), error: undefined }
    } catch (error) {
      const failure = error as InvalidFrameError & { output: Buffer[] }
      return { output: Buffer.concat(failure.output), error: failure }
    }
  }
  /** Runs gunzip on every cut of an input; the output and the message must be the same for all. */
  const everyCut = async (t: Test, input: Buffer, text: string, message: RegExp | undefined) => {
    for (const chunks of chunkings(input, CUTS)) {
      const { output, error } = await run(gunzip(), chunks)
      const cut = chunks.map(chunk => chunk.length).join(' ')
      if (output.toString() !== text) t.fail(`${cut}: ${JSON.stringify(output.toString())}`)
      if (message === undefined ? error : !message.test(error?.message ?? ''))
        t.fail(`${cut}: ${error?.message}`)
      if (error !== undefined && error.reason !== 'invalid-frame') t.fail(`${cut}: ${error.reason}`)
    }
  }

  t.test(`${plan}: what gzip makes is gzip, and gunzip gives it back, however both are cut`, async () => {
    const input = fc.oneof(fc.uint8Array({ maxLength: 20 }), fc.constant(Buffer.alloc(100_000, 'abcdef')))
    const cuts = fc.array(fc.nat(1000), { maxLength: 4 })
    const cut = (bytes: Uint8Array, at: readonly number[]) =>
      [0, ...at.map(thousandth => Math.floor((bytes.length * thousandth) / 1000)).sort((a, b) => a - b)].map(
        (from, index, all) => Buffer.from(bytes.subarray(from, all[index + 1] ?? bytes.length)),
      )
    await fc.assert(
      fc.asyncProperty(input, cuts, fc.integer({ min: 0, max: 9 }), async (bytes, at, level) => {
        const packed = await run(gzip({ level }), cut(bytes, at))
        if (!gunzipSync(packed.output).equals(bytes)) throw new Error('node:zlib reads something else')
        const back = await run(gunzip({ maxRatio: 10_000 }), cut(packed.output, at))
        if (back.error !== undefined || !back.output.equals(bytes))
          throw new Error('gunzip gives something else')
      }),
      { numRuns: runs(60) },
    )
  })

  t.test(`${plan}: members may follow one another, and have all that a header can have`, async t => {
    const members = Buffer.concat([gzipSync('one '), fullMember('two '), gzipSync(''), gzipSync('three')])
    await everyCut(t, members, 'one two three', undefined)
    await everyCut(t, Buffer.alloc(0), '', undefined)
  })

  t.test(`${plan}: what is broken ends the connection behind what was whole before it`, async t => {
    const good = gzipSync('good ')
    const then = (bytes: Buffer) => Buffer.concat([good, bytes])
    const next = gzipSync('next')
    await everyCut(t, then(Buffer.from('garbage')), 'good ', /received an invalid frame: it is no gzip\./)
    await everyCut(t, then(flip(next, 1)), 'good ', /it is no gzip/)
    await everyCut(t, then(flip(next, 2)), 'good ', /its compression method is not deflate/)
    await everyCut(
      t,
      then(Buffer.from([0x1f, 0x8b, 8, 0x20])),
      'good ',
      /its header has flags that are reserved/,
    )
    await everyCut(t, fullMember('x', { headerChecksum: false }), '', /its header's checksum is wrong/)
    await everyCut(t, then(flip(next, -8)), 'good next', /its checksum is wrong/)
    await everyCut(t, then(flip(next, -1)), 'good next', /its length is wrong/)
    const badBlock = Buffer.concat([next.subarray(0, 10), Buffer.from([0x07])])
    await everyCut(t, then(badBlock), 'good ', /its deflate data are broken, invalid block type/)
    for (const length of [1, 3, 9, next.length - 8, next.length - 1]) {
      const output = length < next.length - 8 ? 'good ' : 'good next'
      await everyCut(t, then(next.subarray(0, length)), output, /the input ends within a member/)
    }
  })

  t.test(`${plan}: zeros behind the last member are ignored, and nothing else is`, async t => {
    const good = Buffer.concat([gzipSync('good '), gzipSync('next')])
    for (const length of [1, 9, 1000]) {
      await everyCut(t, Buffer.concat([good, Buffer.alloc(length)]), 'good next', undefined)
    }
    const padded = (...behind: Buffer[]) => Buffer.concat([good, Buffer.alloc(20), ...behind])
    const message = /something follows the zeros behind its last member/
    await everyCut(t, padded(Buffer.from([1])), 'good next', message)
    await everyCut(t, padded(good), 'good next', message)
    await everyCut(t, Buffer.alloc(20), '', /it is no gzip/)
    await everyCut(t, padded().subarray(0, good.length - 3), 'good next', /the input ends within a member/)
  })

  t.test(`${plan}: small members take one handle of zlib, and a step or two each`, async t => {
    const members = Array.from({ length: 1_000 }, (_, index) => gzipSync(index % 2 === 0 ? '' : 'x'))
    for (const chunks of [[Buffer.concat(members)], members]) {
      const output: Buffer[] = []
      const engines = await enginesOf(async () => {
        output.push((await run(gunzip(), chunks)).output)
      })
      t.equal(Buffer.concat(output).toString(), 'x'.repeat(500))
      t.equal(engines.length, 1)
      t.ok((engines[0]?.writes ?? 0) <= 2_000, `${engines[0]?.writes} steps`)
    }
  })

  t.test(`${plan}: members over maxMembers, and a header over maxHeader, end the connection`, async t => {
    const members = [gzipSync('one '), gzipSync('two '), gzipSync('three')]
    const seen = async (options: GunzipOptions, input: Buffer) => {
      const results = new Set<string>()
      for (const chunks of chunkings(input, CUTS)) {
        const { output, error } = await run(gunzip(options), chunks)
        results.add(`${output}|${error?.reason}|${error?.message}`)
      }
      t.equal(results.size, 1, 'the same for every cut')
      return [...results][0]
    }
    t.match(
      await seen({ maxMembers: 2 }, Buffer.concat(members)),
      /^one two \|invalid-frame\|.*it has more than 2 members \('maxMembers'\)/,
    )
    const two = Buffer.concat([...members.slice(0, 2), Buffer.alloc(3)])
    t.match(await seen({ maxMembers: 2 }, two), 'one two |undefined')
    const full = Buffer.concat([gzipSync('good '), fullMember('full')])
    const length = fullMember('full').indexOf('comment') + 'comment'.length + 3
    t.match(await seen({ maxHeader: length }, full), 'good full|undefined')
    for (const maxHeader of [10, length - 10, length - 1]) {
      t.match(
        await seen({ maxHeader }, full),
        new RegExp(
          `^good \\|invalid-frame\\|.*its header is longer than ${maxHeader} bytes \\('maxHeader'\\)`,
        ),
      )
    }
  })

  t.test(`${plan}: output over maxOutput ends the connection behind exactly that much`, async t => {
    const input = gzipSync('abcdefghij')
    t.match(await run(gunzip({ maxOutput: 10 }), [input]), { error: undefined })
    const message = "Stage 'gunzip' received an invalid frame: it holds more than 9 bytes ('maxOutput')."
    for (const chunks of chunkings(input, { random: 2 })) {
      const { output, error } = await run(gunzip({ maxOutput: 9 }), chunks)
      t.strictSame([output.toString(), error?.message], ['abcdefghi', message])
    }
    const { output } = await run(gunzip({ maxOutput: 12 }), [Buffer.concat([input, input])])
    t.equal(output.toString(), 'abcdefghijab', 'it counts over all members')
  })

  t.test(`${plan}: a bomb ends the connection soon, at the same place however it is cut`, async t => {
    const bomb = gzipSync(Buffer.alloc(10_000_000))
    const step = 1_000
    const cuts = [
      [bomb],
      Array.from({ length: Math.ceil(bomb.length / step) }, (_, index) =>
        bomb.subarray(index * step, (index + 1) * step),
      ),
      Array.from(bomb, byte => Buffer.of(byte)),
    ]
    const lengths = new Set<number>()
    for (const chunks of cuts) {
      const { output, error } = await run(gunzip(), chunks)
      t.equal(
        error?.message,
        "Stage 'gunzip' received an invalid frame: it holds more than 100 times its length ('maxRatio').",
      )
      lengths.add(output.length)
    }
    t.equal(lengths.size, 1)
    t.ok(
      [...lengths].every(length => length > 65_536 && length <= 131_072),
      [...lengths].join(),
    )
    const small = Buffer.concat(Array.from({ length: 40 }, () => gzipSync(Buffer.alloc(10_000))))
    t.match((await run(gunzip(), [small])).error, { message: /'maxRatio'/ }, 'also of many members')
    t.equal((await run(gunzip({ maxRatio: 2_000 }), [bomb])).output.length, 10_000_000)
    t.equal(
      (await run(gunzip(), [gzipSync(Buffer.alloc(65_536))])).output.length,
      65_536,
      'a short text is none',
    )
  })

  t.test(`${plan}: an answer arrives compressed before the client has ended`, async t => {
    const server = pipeline()
      .through(gunzip())
      .through(lines())
      .through(uppercase())
      .through(toLines())
      .through(gzip())
    const client = connect(server, { plan })
    client.send(gzipSync('hello\n'))
    let answer = Buffer.alloc(0)
    while (gunzipSync(answer, { finishFlush: constants.Z_SYNC_FLUSH }).toString() !== 'HELLO\n') {
      answer = Buffer.concat([answer, await client.receive(1)])
    }
    client.end(gzipSync('again\n'))
    const all = Buffer.concat([answer, await client.receive()])
    t.equal(gunzipSync(all).toString(), 'HELLO\nAGAIN\n')
    t.equal((await client.outcome).reason, 'end')
  })

  t.test(`${plan}: the small frames of a read are not compressed one by one`, async t => {
    const input = Buffer.from('x;'.repeat(32_768))
    const output: Buffer[] = []
    const engines = await enginesOf(async () => {
      const frames = pipeline()
        .through(delimited({ delimiters: ';' }))
        .through(toDelimited(';'))
      output.push(...(await runStage(frames.through(gzip()), [input], { plan })))
    })
    t.ok(gunzipSync(Buffer.concat(output)).equals(input))
    t.equal(engines.length, 1)
    t.ok((engines[0]?.writes ?? 0) <= 256, `${engines[0]?.writes} writes`)
  })

  t.test(`${plan}: a slow reader bounds what is decompressed ahead of it, and loses nothing`, async t => {
    const text = Buffer.alloc(3_000_000, 'some text, again and again. ')
    let made = 0
    const count = tap<Buffer>('count', chunk => {
      made += chunk.length
    })
    const [near, far] = duplexPair()
    const outcome = pipeline()
      .through(gunzip({ maxRatio: 2_000 }))
      .through(count)
      .handle(far, { plan })
    near.end(gzipSync(text))
    const read: Buffer[] = []
    let length = 0
    let ahead = 0
    while (length < text.length) {
      for (let turn = 0; turn < 5; turn++) await setImmediate()
      ahead = Math.max(ahead, made - length)
      const chunk = near.read() as Buffer | null
      if (chunk === null) continue
      read.push(chunk)
      length += chunk.length
    }
    t.ok(Buffer.concat(read).equals(text))
    t.ok(ahead <= 300_000, `${ahead} bytes ahead`)
    near.resume()
    t.equal((await outcome).reason, 'end')
  })

  t.test(`${plan}: the handles of zlib are closed, however the connection ends`, async t => {
    const errors: BywashError[] = []
    const server = pipeline()
      .through(gunzip())
      .through(lines())
      .through(take(2))
      .through(toLines())
      .through(gzip())
    const unfinished = (text: string | Buffer) => gzipSync(text, { finishFlush: constants.Z_SYNC_FLUSH })
    const all = (client: TestClient) => client.receive()
    const ends: Record<string, (client: TestClient) => unknown> = {
      'in the middle of a member': client => client.reset(),
      'while zlib works': client => {
        client.send(unfinished(Buffer.alloc(1_000_000)))
        client.reset()
      },
      'by the end of the input': client => {
        client.end()
        return all(client)
      },
      'by a fault of the peer': client => {
        client.send(Buffer.from([0x07]))
        return all(client)
      },
      'by a stage': client => {
        client.send(gzipSync('second\nthird\n').subarray(10))
        return all(client)
      },
    }
    for (const [name, end] of Object.entries(ends)) {
      const engines = await enginesOf(async () => {
        const client = connect(server, { plan, onError: error => errors.push(error) })
        client.send(unfinished('first\n'))
        await client.receive(15)
        await end(client)
        client.reset()
        await client.outcome
        for (let turn = 0; turn < 5; turn++) await setImmediate()
      })
      t.ok(engines.length >= 2, `${name}: ${engines.length} engines`)
      for (const { isOpen } of engines) t.notOk(isOpen, name)
    }
    t.strictSame(errors, [])
  })
}

t.test('options are checked at once, and neither they nor chunks are changed', async t => {
  const refused = (call: () => unknown, message: RegExp) =>
    t.throws(call, { code: 'ERR_BYWASH_INVALID_OPTION', message })
  refused(() => gzip({ level: 10 }), /gzip\(\): 'level' is a whole number, from 0 to 9; got 10/)
  refused(() => gzip({ levels: 1 } as object), /gzip\(\) has no option 'levels'/)
  refused(() => gunzip({ maxOutput: 0 }), /gunzip\(\): 'maxOutput' is a whole number, from 1/)
  refused(
    () => gunzip({ maxRatio: Number.POSITIVE_INFINITY }),
    /'maxRatio' is a whole number, .* got Infinity/,
  )
  refused(() => gunzip({ maxHeader: 9 }), /'maxHeader' is a whole number, from 10/)
  refused(() => gunzip({ maxMembers: 0 }), /'maxMembers' is a whole number, from 1/)
  refused(() => gunzip({ maxLength: 1 } as object), /gunzip\(\) has no option 'maxLength'/)
  const chunk = gzipSync('abc')
  const before = Buffer.from(chunk)
  t.strictSame(await runStage(gunzip(Object.freeze({ maxOutput: 3 })), [chunk]), [Buffer.from('abc')])
  t.strictSame(chunk, before)
})

t.test('a fault is told once, also when the input ends behind it', async t => {
  const errors: unknown[] = []
  const stream = new GunzipStream({ ...LIMITS, maxOutput: 100 }, error => errors.push(error))
  stream.resume().end(Buffer.concat([gzipSync('good'), Buffer.from('garbage')]))
  await once(stream, 'end')
  t.match(errors, [{ message: /it is no gzip/ }])
  t.equal(errors.length, 1)
})

t.test('a connection that sends nothing opens no decompressor', async t => {
  const engines = await enginesOf(() => runStage(gunzip(), []))
  t.strictSame(engines, [])
})

t.test('the output of small members waits as one chunk, however they come', async t => {
  const members = Array.from({ length: 1000 }, () => gzipSync('a'))
  for (const chunks of [[Buffer.concat(members)], members]) {
    const stream = new GunzipStream(LIMITS, error => t.fail(String(error)))
    const push = stream.push.bind(stream)
    let pushed = 0
    stream.push = chunk => {
      pushed++
      return push(chunk)
    }
    for (const chunk of chunks) stream.write(chunk)
    await setImmediate()
    t.equal(pushed, 1)
    t.equal(stream.readableLength, 1000 / chunks.length)
    stream.destroy()
  }
})

t.test('what is made for a reader that does not read is bounded by a step and the mark', async t => {
  const text = Buffer.alloc(3_000_000, 'some text, again and again. ')
  const stream = new GunzipStream({ ...LIMITS, maxOutput: 10_000_000 }, error => t.fail(String(error)))
  stream.end(gzipSync(text))
  let waiting = 0
  let length = 0
  while (!stream.readableEnded) {
    for (let turn = 0; turn < 5; turn++) await setImmediate()
    waiting = Math.max(waiting, stream.readableLength)
    length += (stream.read() as Buffer | null)?.length ?? 0
  }
  t.equal(length, text.length)
  t.ok(waiting <= 32_768, `${waiting} bytes wait`)
})
