import type { Problem } from '../problem.js'
import type { Node } from './tree.js'

/** Environment variables, such as `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>

/** The escape `$${`, or a reference up to its closing brace; without one it extends to the end of the text. */
const REFERENCE = /\$\$\{|\$\{([^}]*)(\}?)/g
const REMEDY = `Write \${NAME} or \${NAME:-default}, and $\${ where '\${' is meant.`
/** A name of the environment, and the default behind `:-`. */
const NAME = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s

/**
 * Replaces `${NAME}` and `${NAME:-default}` by values of the environment, in the texts of a parsed file. A value is
 * neither parsed nor searched for references, so it stays one text whatever is in it. `$${` stands for `${`.
 */
export function replaceReferences(node: Node, environment: Environment, problems: Problem[]): Node {
  switch (node.type) {
    case 'map': {
      const entries = node.entries.map(entry => ({
        ...entry,
        value: replaceReferences(entry.value, environment, problems),
      }))
      return { ...node, entries }
    }
    case 'list':
      return { ...node, items: node.items.map(item => replaceReferences(item, environment, problems)) }
    case 'scalar': {
      if (typeof node.value !== 'string') return node
      const value = node.value.replace(REFERENCE, (reference, inside?: string, end?: string) => {
        if (inside === undefined) return '${'
        const [, name, otherwise] = (end === '}' && NAME.exec(inside)) || []
        if (name === undefined) {
          const message = `${JSON.stringify(reference.slice(0, 40))} is no name of the environment.`
          problems.push({
            at: node.at,
            message,
            remedy: REMEDY,
          })
          return ''
        }
        const found = Object.hasOwn(environment, name) ? environment[name] : undefined
        // As in a shell, the default also replaces a variable that is set and empty.
        if (found !== undefined && (found !== '' || otherwise === undefined)) return found
        if (otherwise !== undefined) return otherwise
        const message = `The environment has no '${name}'.`
        problems.push({ at: node.at, message, remedy: `Set it, or write \${${name}:-default}.` })
        return ''
      })
      return { ...node, value }
    }
  }
}

/** Whether a text contains a reference. Names of stages, presets and modules must not. */
export function hasReference(text: string): boolean {
  return text.includes('${')
}
