import {
  type Alias,
  Composer,
  type CST,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  type Pair,
  Parser,
  type Scalar,
  type YAMLError,
} from 'yaml'
import type { Problem, Span } from '../problem.js'

/** A value of a parsed file, with its place. */
export type Node = MapNode | ListNode | ScalarNode

export interface MapNode {
  readonly type: 'map'
  readonly at: Span
  readonly entries: readonly Entry[]
}

export interface Entry {
  readonly name: string
  readonly nameAt: Span
  readonly value: Node
}

export interface ListNode {
  readonly type: 'list'
  readonly at: Span
  readonly items: readonly Node[]
}

export interface ScalarNode {
  readonly type: 'scalar'
  readonly at: Span
  readonly value: string | number | boolean | null
}

/** The root of a parsed file, or problems without a root. An empty file has neither. */
export interface Tree {
  readonly root: Node | undefined
  readonly problems: readonly Problem[]
}

/** The deepest nesting, far more than people write: the functions behind the parser recurse once for each level. */
const MAX_DEPTH = 64

/** The most nodes of a file. Those of an alias count each time that it is used. */
const MAX_NODES = 100_000

/** Keys that would reach the prototype of the objects that stages get. */
const FORBIDDEN_KEYS = ['__proto__', 'constructor', 'prototype']

/** The remedies of mistakes, by the error code of the parser. */
const REMEDIES: Readonly<Record<string, string>> = {
  TAB_AS_INDENT: 'Indent with spaces.',
  BAD_INDENT: 'Compare the indentation, and the brackets, with the lines around it.',
  BAD_SCALAR_START: 'Put the text in quotes.',
  BLOCK_AS_IMPLICIT_KEY:
    'Put a text with a colon in quotes, or indent what belongs to a key on the lines below it.',
  BAD_DQ_ESCAPE: "Write '\\\\' for a backslash, or put the text in single quotes.",
  TAG_RESOLVE_FAILED: 'Leave the tag out.',
  MULTIPLE_DOCS: "Remove the line '---' between them.",
}

/** Parses YAML, of which JSON is a subset. */
export function parseTree(text: string): Tree {
  const tokens = tokensOf(text)
  if (!Array.isArray(tokens)) return { root: undefined, problems: [tokens] }
  const options = {
    prettyErrors: false,
    uniqueKeys: false,
    logLevel: 'silent',
    schema: 'core',
    resolveKnownTags: false,
  } as const
  const [document, second] = new Composer(options).compose(tokens, true, text.length)
  const { errors, warnings, contents } = document as Document.Parsed
  const problems = [...errors.filter(isOriginal), ...warnings].map(error => syntaxProblem(text, error))
  if (second !== undefined) {
    const at = { start: second.range[0], end: second.range[0] }
    problems.push({
      at,
      message: 'The file holds more than one document.',
      remedy: REMEDIES.MULTIPLE_DOCS as string,
    })
  }
  if (problems.length > 0 || contents === null) return { root: undefined, problems }
  return new TreeBuilder().build(contents)
}

/** Whether an error is more than a consequence of those before it: no stray token, and in a place of its own. */
function isOriginal({ code, pos: [start] }: YAMLError, index: number, errors: readonly YAMLError[]): boolean {
  return index === 0 || (code !== 'UNEXPECTED_TOKEN' && errors[index - 1]?.pos[0] !== start)
}

function tokensOf(text: string): CST.Token[] | Problem {
  const parser = new Parser()
  const tokens: CST.Token[] = []
  for (const lexeme of new Lexer().lex(text)) {
    tokens.push(...parser.next(lexeme))
    if (parser.stack.length <= MAX_DEPTH) continue
    const at = { start: parser.offset, end: parser.offset }
    return { at, message: `This is nested more than ${MAX_DEPTH} levels deep.`, remedy: 'Make it flatter.' }
  }
  tokens.push(...parser.end())
  return tokens
}

function syntaxProblem(text: string, { code, message, pos: [start, end] }: YAMLError): Problem {
  const line = text.slice(text.lastIndexOf('\n', start - 1) + 1, start)
  const remedy = /[{[].*\$$|[{[].*\$\{/.test(line)
    ? "Inside { } and [ ] put quotes around what holds '${'."
    : (REMEDIES[code] ?? '')
  return { at: { start, end }, message: `${message.replace(/\s+/g, ' ').replace(/\.$/, '')}.`, remedy }
}

/** Turns the parser's nodes into ours, and puts the anchored value in the place of each alias. */
class TreeBuilder {
  readonly #problems: Problem[] = []
  /** The node with the latest anchor of each name. The library would search the document for each alias. */
  readonly #anchors = new Map<string, unknown>()
  /** The node that each alias stands for, also where the alias comes again as a part of another one. */
  readonly #targets = new Map<Alias, unknown>()
  /** The anchored nodes that are being built: an alias to one of them would never end. */
  readonly #open = new Set<unknown>()
  /** The number of aliases around the node that is being built. */
  #aliases = 0
  #count = 0

  build(contents: unknown): Tree {
    const root = this.#node(contents, spanOf(contents))
    return this.#problems.length > 0 ? { root: undefined, problems: this.#problems } : { root, problems: [] }
  }

  #node(node: unknown, at: Span): Node {
    if (++this.#count > MAX_NODES) {
      if (this.#count === MAX_NODES + 1) {
        const message = `The file has more than ${MAX_NODES} values.`
        this.#problems.push({ at, message, remedy: 'Use fewer aliases, or several files.' })
      }
      return { type: 'scalar', at, value: null }
    }
    if (isAlias(node)) return this.#alias(node, at)
    const { anchor } = (node ?? {}) as { readonly anchor?: string }
    if (anchor === undefined) return this.#value(node, at)
    if (this.#aliases === 0) this.#anchors.set(anchor, node)
    this.#open.add(node)
    const value = this.#value(node, at)
    this.#open.delete(node)
    return value
  }

  #value(node: unknown, at: Span): Node {
    if (isMap(node)) return { type: 'map', at, entries: this.#entries(node.items, at) }
    if (isSeq(node)) {
      return { type: 'list', at, items: node.items.map(item => this.#node(item, this.#place(item, at))) }
    }
    const { value } = (node ?? { value: null }) as Scalar
    return { type: 'scalar', at, value: value as ScalarNode['value'] }
  }

  /** Builds the node that an alias stands for. Its problems get the place of the alias. */
  #alias(alias: Alias, at: Span): Node {
    if (this.#aliases === 0) this.#targets.set(alias, this.#anchors.get(alias.source))
    const target = this.#targets.get(alias)
    if (target === undefined) {
      const message = `There is no anchor '&${alias.source}' before this.`
      this.#refuse(at, message, 'Put one in front of the value that is meant.')
    } else if (this.#open.has(target)) {
      this.#refuse(at, `The alias '*${alias.source}' stands within what it names.`, 'Write the values out.')
    } else {
      this.#aliases++
      const node = this.#node(target, at)
      this.#aliases--
      return node
    }
    return { type: 'scalar', at, value: null }
  }

  #entries(pairs: readonly Pair[], within: Span): Entry[] {
    const names = new Set<string>()
    return pairs.flatMap(({ key, value }) => {
      const nameAt = this.#place(key, within)
      if (!isScalar(key)) {
        this.#refuse(nameAt, 'A key is a plain word.', 'Write it without brackets, braces and aliases.')
        return []
      }
      const name = String(key.value)
      if (FORBIDDEN_KEYS.includes(name))
        this.#refuse(nameAt, `The key '${name}' is not allowed.`, 'Remove it.')
      if (name === '<<') this.#refuse(nameAt, "YAML 1.2 has no merge key '<<'.", 'Write the keys out.')
      if (names.has(name)) this.#refuse(nameAt, `The key '${name}' is here twice.`, 'Remove one of the two.')
      names.add(name)
      return [{ name, nameAt, value: this.#node(value, this.#place(value, nameAt)) }]
    })
  }

  /** The place of a node; inside of an alias it is that of the alias. */
  #place(node: unknown, within: Span): Span {
    return this.#aliases > 0 ? within : spanOf(node, within)
  }

  /** Adds a problem. Inside of an alias it is known already, from where the anchored value is written. */
  #refuse(at: Span, message: string, remedy: string): void {
    if (this.#aliases === 0) this.#problems.push({ at, message, remedy })
  }
}

function spanOf(node: unknown, otherwise: Span = { start: 0, end: 0 }): Span {
  const range = (node as { range?: readonly [number, number, number] | null } | null)?.range
  return range ? { start: range[0], end: range[1] } : otherwise
}

/** Turns a node into the value that it would be in code. */
export function plain(node: Node): unknown {
  switch (node.type) {
    case 'map':
      return Object.fromEntries(node.entries.map(({ name, value }) => [name, plain(value)]))
    case 'list':
      return node.items.map(plain)
    case 'scalar':
      return node.value
  }
}
