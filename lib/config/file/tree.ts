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

/** What stands in a file, with its places. */
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

/** A tree, or problems without a tree. An empty file has neither. */
export interface Tree {
  readonly root: Node | undefined
  readonly problems: readonly Problem[]
}

/** No file that a person writes is nested deeper; what comes after the parser calls itself for each level. */
const DEEPEST = 64

/** How many nodes a file may have, those of an alias counted as often as it is used. */
const MOST_NODES = 100_000

/** They would reach the prototype of the objects that stages get. */
const FORBIDDEN_KEYS = ['__proto__', 'constructor', 'prototype']

/** What helps against the mistakes that the parser names by a code. */
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

/** Reads YAML, and so JSON too. */
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
  const problems = [...errors.filter(isNews), ...warnings].map(error => syntaxProblem(text, error))
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

/** A token in the wrong place is news only where nothing was wrong before. */
function isNews({ code, pos: [start] }: YAMLError, index: number, errors: readonly YAMLError[]): boolean {
  return index === 0 || (code !== 'UNEXPECTED_TOKEN' && errors[index - 1]?.pos[0] !== start)
}

function tokensOf(text: string): CST.Token[] | Problem {
  const parser = new Parser()
  const tokens: CST.Token[] = []
  for (const lexeme of new Lexer().lex(text)) {
    tokens.push(...parser.next(lexeme))
    if (parser.stack.length <= DEEPEST) continue
    const at = { start: parser.offset, end: parser.offset }
    return { at, message: `This is nested more than ${DEEPEST} levels deep.`, remedy: 'Make it flatter.' }
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

/** Turns the parser's nodes into plain ones, with aliases in their places. */
class TreeBuilder {
  readonly #problems: Problem[] = []
  /** What the last anchor of each name is at. The library would search the document for each alias. */
  readonly #anchors = new Map<string, unknown>()
  /** What each alias stands for, also where it comes again with another alias. */
  readonly #targets = new Map<Alias, unknown>()
  /** The anchored values that are being built: an alias within what it names has no end. */
  readonly #open = new Set<unknown>()
  /** So many aliases lead here. */
  #aliases = 0
  #count = 0

  build(contents: unknown): Tree {
    const root = this.#node(contents, spanOf(contents))
    return this.#problems.length > 0 ? { root: undefined, problems: this.#problems } : { root, problems: [] }
  }

  #node(node: unknown, at: Span): Node {
    if (++this.#count > MOST_NODES) {
      if (this.#count === MOST_NODES + 1) {
        const message = `The file has more than ${MOST_NODES} values.`
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

  /** What an alias stands for is reported where the alias is. */
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

  /** Where a node stands; all that an alias brings stands where the alias is. */
  #place(node: unknown, within: Span): Span {
    return this.#aliases > 0 ? within : spanOf(node, within)
  }

  /** What an alias brings is refused where it is written. */
  #refuse(at: Span, message: string, remedy: string): void {
    if (this.#aliases === 0) this.#problems.push({ at, message, remedy })
  }
}

function spanOf(node: unknown, otherwise: Span = { start: 0, end: 0 }): Span {
  const range = (node as { range?: readonly [number, number, number] | null } | null)?.range
  return range ? { start: range[0], end: range[1] } : otherwise
}

/** A node as what it would be in code. */
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
