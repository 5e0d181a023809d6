import t from 'tap'
import {
  boolean,
  bytes,
  callback,
  choice,
  integer,
  listOfBytes,
  orCode,
  orFunction,
  text,
} from '../../lib/options/option.js'
import { showValue } from '../../lib/options/show-value.js'

const help = 'what it does'
const refused = (option: { refusal: (name: string, value: unknown) => string | undefined }, value: unknown) =>
  option.refusal('x', value)

t.test('an option takes its values, and says what is wrong with any other', async t => {
  const number = integer({ help, minimum: 1, maximum: 9 })
  for (const value of [1, 9]) t.equal(refused(number, value), undefined)
  for (const value of [0, 10, 1.5, Number.NaN, '5', null, undefined, {}, [5]])
    t.equal(refused(number, value), `'x' is a whole number, from 1 to 9; got ${showValue(value)}`)
  t.equal(refused(integer({ help }), 0), undefined, 'from 0 where nothing is said')
  t.equal(refused(boolean({ help }), false), undefined)
  t.equal(refused(boolean({ help }), 'true'), `'x' is true or false; got "true"`)
  t.equal(refused(text({ help }), ''), undefined)
  t.equal(refused(text({ help, minimum: 1 }), ''), `'x' has at least one character; got ""`)
  t.equal(refused(text({ help }), 5), "'x' is text; got 5")
  t.equal(refused(choice(['a', 2], { help }), 2), undefined)
  t.equal(refused(choice(['a', 2], { help }), '2'), `'x' is one of "a", 2; got "2"`)
  t.equal(
    refused(callback({ help, inCode: '() => void' }), () => {}),
    undefined,
  )
  t.equal(refused(callback({ help, inCode: '() => void' }), 5), "'x' is a function; got 5")
})

t.test('bytes are a string or a Buffer, and may be a list where it says so', async t => {
  for (const value of ['', 'a', Buffer.alloc(0), new Uint8Array(2)])
    t.equal(refused(bytes({ help }), value), undefined)
  t.equal(refused(bytes({ help }), 5), "'x' is a string or a Buffer; got number")
  t.equal(refused(bytes({ help }), ['a']), "'x' is a string or a Buffer; got object")
  t.equal(refused(bytes({ help, minimum: 1 }), ''), `'x' is text or bytes, at least one; got ""`)
  t.equal(refused(listOfBytes({ help }), ['', Buffer.from('a')]), undefined)
  t.equal(refused(listOfBytes({ help }), ['a', 5]), "'x' is a string or a Buffer; got number")
  t.equal(
    refused(listOfBytes({ help, minimum: 1 }), ['a', Buffer.alloc(0)]),
    "'x' is text or bytes, at least one; got no bytes",
  )
})

t.test('what code may give more is told to code only', async t => {
  const policy = orFunction(choice(['a'], { help }), '() => void')
  t.equal(
    refused(policy, () => {}),
    undefined,
  )
  t.equal(refused(policy, 'b'), `'x (if no function)' is one of "a"; got "b"`)
  t.equal(policy.writtenRefusal?.('x', 'b'), `'x' is one of "a"; got "b"`)
  const sink = orCode<Set<string>, string, 'optional'>(text({ help }), {
    inCode: 'a Set',
    isCode: value => value instanceof Set,
    wants: 'is a Set or text',
  })
  for (const value of [new Set(), 'a']) t.equal(refused(sink, value), undefined)
  t.equal(refused(sink, 5), "'x' is a Set or text; got 5")
  t.equal(sink.writtenRefusal?.('x', 5), "'x' is text; got 5")
})

t.test('an option says whether it must be given', async t => {
  t.match(integer({ help, required: true }), { presence: 'required', type: 'integer', isList: false })
  t.match(integer({ help, default: 0 }), { presence: 'default', default: 0 })
  t.match(integer({ help, absent: 'none', unit: 'ms' }), { presence: 'optional', absent: 'none', unit: 'ms' })
  t.ok(Object.isFrozen(text({ help })))
})

t.test('any value can be shown, and in few words', async t => {
  const shown = new Map<unknown, string>([
    ['a\n', '"a\\n"'],
    ['x'.repeat(100), `"${'x'.repeat(80)}"…`],
    [Buffer.alloc(0), 'no bytes'],
    [Buffer.alloc(1), 'one byte'],
    [Buffer.alloc(2), '2 bytes'],
    [[[]], 'a list'],
    [() => {}, 'a function'],
    [Object.create(null), 'an object'],
    [null, 'null'],
    [undefined, 'undefined'],
    [Symbol('a'), 'Symbol(a)'],
    [5n, '5'],
  ])
  for (const [value, words] of shown) t.equal(showValue(value), words)
})
