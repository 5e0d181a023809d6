import fc from 'fast-check'
import type { Definition } from '../../lib/definition.js'
import type { Option } from '../../lib/options/option.js'
import type { Values } from '../../lib/options/option-values.js'

const TEXTS = ['', 'a', 'ab', 'é', '🌊', '\ud83c', ': ', '\0', '\ufffd', '"', '$&']

const BYTES: readonly (string | Uint8Array)[] = [
  ';',
  '\n',
  '\r\n',
  '\0',
  '\0\n',
  '--',
  '-->',
  'é',
  Buffer.of(0xff),
  '',
]

/** Whole numbers at which counts and lengths go wrong; those that an option does not allow are left out. */
const INTEGERS = [-8, -4, -1, 0, 1, 2, 3, 4, 5, 8, 16, 64, 1000, 65_536]

/** Values of options for which any value of their table will not do. */
const SPECIAL: Readonly<Record<string, readonly unknown[]>> = {
  // Time is real: no input may take longer than some milliseconds.
  'throttle.bytesPerSecond': [1_000_000, 1_000_000_000_000],
  'throttle.framesPerSecond': [20_000, 1_000_000_000_000],
  'throttle.burst': [1024, 1_000_000],
  // Whether a file is written in time is chance, so that none may lag.
  'tee.maxPending': [1_048_576],
  // The path is put into a temporary folder.
  'tee.to': ['copy', 'other'],
}

/** Random values of the arguments and options of a stage, from its tables. What only code can give is left out. */
export function optionValues({ name, arguments: list, options }: Definition): fc.Arbitrary<Values> {
  const always = Object.keys(list)
  const table = Object.entries({ ...list, ...options }).filter(([, { type }]) => type !== 'code')
  const model = Object.fromEntries(table.map(([key, option]) => [key, optionValue(`${name}.${key}`, option)]))
  const required = table
    .filter(([key, { presence }]) => presence === 'required' || always.includes(key))
    .map(([key]) => key)
  return fc.record(model, { requiredKeys: required }) as fc.Arbitrary<Values>
}

function optionValue(place: string, option: Option): fc.Arbitrary<unknown> {
  const special = SPECIAL[place]
  if (special !== undefined) return fc.constantFrom(...special)
  const { type, choices = [], isList, minimum = 0, maximum = 0 } = option
  if (type === 'boolean') return fc.boolean()
  if (type === 'choice') return fc.constantFrom(...choices)
  if (type === 'integer') {
    return fc.constantFrom(...INTEGERS.filter(value => value >= minimum && value <= maximum), minimum)
  }
  const all: readonly (string | Uint8Array)[] = type === 'bytes' ? BYTES : TEXTS
  const one = fc.constantFrom(...all.filter(({ length }) => length >= minimum))
  return isList ? fc.array(one, { minLength: 1, maxLength: 3 }) : one
}
