import { isUtf8 } from 'node:buffer'
import { inspect } from 'node:util'

/** What cannot be seen, moves the text around it, or looks like a fault of the terminal. */
const INVISIBLE = /[\p{C}\p{Zl}\p{Zp}\ufffd]/gu
const MAX_BRIEF_CHARACTERS = 300

/** A value as code, ready to paste. */
export function show(value: unknown): string {
  if (typeof value === 'string') return quote(value)
  if (value instanceof Uint8Array) {
    const bytes = Buffer.from(value)
    return isUtf8(bytes)
      ? `Buffer.from(${quote(bytes.toString())})`
      : `Buffer.from('${bytes.toString('hex')}', 'hex')`
  }
  if (Array.isArray(value)) return `[${value.map(show).join(', ')}]`
  return inspect(value, { depth: 10, breakLength: Number.POSITIVE_INFINITY })
}

/** The same for a message: what is very long is cut. */
export function brief(value: unknown): string {
  const text = show(value)
  return text.length <= MAX_BRIEF_CHARACTERS
    ? text
    : `${text.slice(0, MAX_BRIEF_CHARACTERS)}… (${text.length} characters)`
}

function quote(text: string): string {
  const escaped = JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")
  return `'${escaped.replace(INVISIBLE, escapeUnits)}'`
}

function escapeUnits(character: string): string {
  return character
    .split('')
    .map(unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('')
}

/** The name of a stage as a variable. */
export function variable(stage: string): string {
  const name = stage.replace(/\W+(\w?)/g, (_, next: string) => next.toUpperCase())
  return /^[a-z_]\w*$/i.test(name) && name.length < 30 ? name : 'stage'
}

/** What a test file imports, by where it comes from. */
const IMPORTS: Readonly<Record<string, readonly string[]>> = {
  bywash: ['lines', 'pipeline', 'toLines'],
  'bywash/testing': ['runStage'],
}

/** A test as code, ready to paste. */
export function testCode(title: string, names: readonly string[], body: string): string {
  const imports = Object.entries(IMPORTS)
    .map(([from, all]) => [from, all.filter(name => names.includes(name))] as const)
    .filter(([, used]) => used.length > 0)
    .map(([from, used]) => `import { ${used.join(', ')} } from '${from}'`)
  return [
    "import assert from 'node:assert/strict'",
    "import { test } from 'node:test'",
    ...imports,
    '',
    `test(${quote(title)}, async () => {`,
    indent(body),
    '})',
  ].join('\n')
}

/** Puts each line of a text further in. */
export function indent(text: string): string {
  return text.replace(/^(?=.)/gm, '  ')
}
