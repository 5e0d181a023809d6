import { deflateRawSync, gzipSync } from 'node:zlib'
import { random } from '../soak/random.js'

/** An input that may cost much: a short unit that is repeated without end. */
export interface Input {
  readonly title: string
  readonly unit: Buffer
}

const text = (unit: string, title = JSON.stringify(unit)): Input => ({ title, unit: Buffer.from(unit) })
const hex = (unit: string, title = `0x${unit}`): Input => ({ title, unit: Buffer.from(unit, 'hex') })
const zipped = (title: string, unit: Buffer): Input => ({ title, unit })

const DEPTH = 200

/** A gzip member whose header has a name of so many bytes. */
function named(length: number): Buffer {
  const member = Buffer.from(gzipSync(''))
  member[3] = 0x08
  return Buffer.concat([member.subarray(0, 10), Buffer.alloc(length, 'n'), Buffer.of(0), member.subarray(10)])
}

/** Bytes that compress to about a ninetieth of them, which is just below the limit. */
function compressible(length: number): Buffer {
  const bytes = Buffer.alloc(length)
  for (let at = 0; at < length; at += 120) bytes[at] = (at * 2_654_435_761) >>> 24
  return bytes
}

/** Inputs of every sort: one repeated byte, short frames, bad frames, deep and broad nesting, small members. */
export const INPUTS: readonly Input[] = [
  ...['a', ';', '\n', '\r', '\0', '"', '[', '0', '\\', 'é', '🌊'].map(unit => text(unit)),
  ...['a\n', 'a;', '\r\n', '\0\n', '\n;', 'é\n', 'x'.repeat(60).concat('\n'), ' \n'].map(unit => text(unit)),
  text(`${'x'.repeat(2000)}\n`, 'lines of 2,000 bytes'),
  ...['0\n', '[]\n', '{}\n', '""\n', '{\n', 'null\n', '1e400\n', '1e-9\n'].map(unit => text(unit)),
  ...['"\\u0061"\n', '{"__proto__":1}\n', '{"constructor":{"prototype":1}}\n', '[1,{"a":null}]\n'].map(unit =>
    text(unit),
  ),
  text(`${'9'.repeat(20)}\n`, 'integers of 20 digits'),
  text(`${'['.repeat(DEPTH)}${']'.repeat(DEPTH)}\n`, `arrays ${DEPTH} deep`),
  text(`${'{"a":'.repeat(DEPTH)}1${'}'.repeat(DEPTH)}\n`, `objects ${DEPTH} deep`),
  text(`[${'0,'.repeat(500)}0]\n`, 'arrays of 501'),
  text(`[${'[],'.repeat(500)}[]]\n`, 'arrays of 501 arrays'),
  text(`{${Array.from({ length: 100 }, (_, n) => `"${n}":0`)}}\n`, 'objects of 100 members'),
  ...['0:,', '1:a,', '9:,', '00:,', 'x:', '65535:'].map(unit => text(unit)),
  ...['c0', '61c0', 'dbdcc0', 'dbddc0', 'dbc0', 'ff', '80', 'c3', 'c30a', 'f09f', 'e282'].map(unit =>
    hex(unit),
  ),
  ...['00000000', '0000000161', '0161', '000161', '8000', '0100', '01000000', '00000001', '00ff', 'ffff'].map(
    unit => hex(unit),
  ),
  ...['AAAA', 'AA\n', 'A\r\n', 'A\n', '0\n', '00\n'].map(unit => text(unit)),
  zipped('empty gzip members', gzipSync('')),
  zipped('gzip members of a byte', gzipSync('a')),
  zipped('gzip members with a name of 1,000 bytes', named(1000)),
  zipped('gzip that grows 90 times', gzipSync(compressible(1_000_000))),
  zipped('gzip of lines', gzipSync(Buffer.alloc(10_000, 'hello\nthere\n'))),
  zipped(
    'one gzip member of empty blocks',
    Buffer.concat([
      Buffer.from('1f8b0800000000000003', 'hex'),
      Buffer.from('000000ffff'.repeat(40_000), 'hex'),
    ]),
  ),
  zipped(
    'one gzip member of short blocks',
    Buffer.concat([
      Buffer.from('1f8b0800000000000003', 'hex'),
      ...Array.from({ length: 10_000 }, () => deflateRawSync('a', { finishFlush: 2 })),
    ]),
  ),
]

/** Bytes that mean something to a stage of the catalogue. */
const ALPHABET = [
  ...Buffer.from('a0:;,\n\r[]{}"\\ =A', 'latin1'),
  0,
  1,
  0x7f,
  0x80,
  0xc0,
  0xc3,
  0xdb,
  0xdc,
  0xff,
]

/** Random inputs: units of up to eight bytes. */
export function randomInputs(seed: number, count: number): readonly Input[] {
  const { below } = random(seed)
  return Array.from({ length: count }, () => {
    const unit = Array.from({ length: 1 + below(8) }, () => ALPHABET[below(ALPHABET.length)] as number)
    return hex(Buffer.from(unit).toString('hex'))
  })
}

/** So many bytes of an input. */
export function repeated({ unit }: Input, length: number): Buffer {
  return Buffer.alloc(length, unit)
}
