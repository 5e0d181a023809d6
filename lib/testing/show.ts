import { isUtf8 } from 'node:buffer'
import { inspect } from 'node:util'

/** Characters that are escaped: those that cannot be seen or change the text around them, and U+FFFD. */
const INVISIBLE = /[\p{C}\p{Zl}\p{Zp}\ufffd]/gu
/** Characters of a value that a message shows. */
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

/** A value as code for a message, cut when it is very long. */
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

/** A variable name for a stage, from its name where possible. */
export function variable(stage: string): string {
  const name = stage.replace(/\W+(\w?)/g, (_, next: string) => next.toUpperCase())
  return /^[a-z_]\w*$/i.test(name) && name.length < 30 ? name : 'stage'
}

/** The names that a generated test may import, by module. */
const IMPORTS: Readonly<Record<string, readonly string[]>> = {
  bywash: ['lines', 'pipeline', 'toLines'],
  'bywash/testing': ['runStage'],
}

/** The code of a test file, ready to paste. `names` are the imports that the body needs. */
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

/** Indents each line of a text by two spaces. */
export function indent(text: string): string {
  return text.replace(/^(?=.)/gm, '  ')
}
