import type { Problem } from '../problem.js'
import type { Node } from './tree.js'

/** Where `${NAME}` takes its values from; `process.env` is one. */
export type Environment = Readonly<Record<string, string | undefined>>

/** The escape, or a reference up to its brace; one that is not closed reaches to the end. */
const REFERENCE = /\$\$\{|\$\{([^}]*)(\}?)/g
const REMEDY = `Write \${NAME} or \${NAME:-default}, and $\${ where '\${' is meant.`
const NAME = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s

/**
 * Puts the environment's values in the place of `${NAME}` and `${NAME:-default}`, in texts and nowhere else: the file is
 * parsed before, and nothing is parsed or replaced again, so that a value stays one text whatever is in it. `$${` is `${`.
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
        // As in a shell, a default is also for what is set and empty.
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

/** Whether a text holds a reference: what names code takes none. */
export function hasReference(text: string): boolean {
  return text.includes('${')
}
