import type { WorkersOptions } from '../../listener/workers/workers-options.js'
import type { StatusServerOptions } from '../../status-server/status-options.js'
import { withImports } from '../import-stages.js'
import type { Problem } from '../problem.js'
import { builtIn, type Registry } from '../registry.js'
import { type Environment, hasReference } from './environment.js'
import { fields, itemsOf, textOf } from './fields.js'
import { type ListenerEntry, readListeners } from './listeners.js'
import { type ReadPipeline, refuseReference } from './pipeline.js'
import type { Reading } from './reading.js'
import { readStatusNode } from './status.js'
import { readTests, type TestEntry } from './tests.js'
import { type Node, parseTree } from './tree.js'
import { readWorkersNode } from './workers.js'

/** The content of a file without problems. */
export interface Configuration {
  readonly listeners: readonly Complete<ListenerEntry>[]
  readonly tests: readonly Complete<TestEntry>[]
  /** The address at which the status is served; undefined without one. */
  readonly status: StatusServerOptions | undefined
  /** The workers that serve all listeners; undefined where the process does itself. */
  readonly workers: WorkersOptions | undefined
}

/** A part of a file without problems, which has its pipeline. */
type Complete<Part extends Pick<ReadPipeline, 'pipeline'>> = Part & {
  readonly pipeline: NonNullable<Part['pipeline']>
}

/** The surroundings in which a file is read. */
export interface FileOptions {
  /** The source of the values of `${NAME}`. */
  readonly environment: Environment
  /** The folder that relative paths start from. */
  readonly folder: string
  /** Whether certificates are read: to serve needs them, and to test pipelines does not. @default false */
  readonly readsCertificates?: boolean
  /** Gets the lines that presets print, such as those of `counter`. @default nobody */
  readonly log?: (line: string) => void
}

/** A configuration, or the problems that keep it from being one. */
export interface ReadFile {
  readonly configuration: Configuration | undefined
  readonly problems: readonly Problem[]
  /** Things to change in a file that can be served as it is, such as a certificate that has expired. */
  readonly warnings: readonly Problem[]
}

const KEYS = { $schema: false, import: false, status: false, workers: false, listeners: true, tests: false }

/**
 * Reads the text of a file: YAML, of which JSON is a subset. All problems are collected; the promise rejects for none of
 * them.
 */
export async function readConfiguration(text: string, options: FileOptions): Promise<ReadFile> {
  const { root, problems } = parseTree(text)
  const warnings: Problem[] = []
  if (problems.length > 0) return { configuration: undefined, problems, warnings }
  if (root === undefined) {
    const at = { start: 0, end: 0 }
    const remedy = "Begin with 'listeners:', or let 'bywash init' write a file."
    return { configuration: undefined, problems: [{ at, message: 'The file is empty.', remedy }], warnings }
  }
  return readRoot(root, options)
}

async function readRoot(
  root: Node,
  { environment, folder, log, readsCertificates = false }: FileOptions,
): Promise<ReadFile> {
  const problems: Problem[] = []
  const warnings: Problem[] = []
  const found = fields(root, 'The file', KEYS, problems)
  const [, imported, statusNode, workersNode, listenersNode, testsNode] = Object.keys(KEYS).map(
    key => found?.get(key)?.value,
  )
  const registry = { ...builtIn(), log }
  const start: Reading = { environment, registry, folder, readsCertificates, problems, warnings }
  const reading = { ...start, registry: await readImports(imported, start) }
  const status = statusNode && readStatusNode(statusNode, reading)
  const listeners = listenersNode === undefined ? [] : await readListeners(listenersNode, reading)
  const workers = workersNode && readWorkersNode(workersNode, listeners, reading)
  const tests = testsNode === undefined ? [] : readTests(testsNode, listeners, reading)
  if (problems.length > 0) {
    return {
      configuration: undefined,
      problems: problems.sort((one, other) => one.at.start - other.at.start),
      warnings,
    }
  }
  return { configuration: { listeners, tests, status, workers } as Configuration, problems, warnings }
}

async function readImports(node: Node | undefined, reading: Reading): Promise<Registry> {
  const { folder, problems } = reading
  let { registry } = reading
  if (node === undefined) return registry
  for (const item of node.type === 'scalar' ? [node] : itemsOf(node, "'import'", problems)) {
    const path = textOf(item, "'import'", problems)
    if (path === undefined) continue
    if (hasReference(path)) {
      problems.push(refuseReference(item.at))
      continue
    }
    try {
      registry = await withImports(registry, [path], folder)
    } catch (error) {
      problems.push({ at: item.at, message: (error as Error).message, remedy: '' })
    }
  }
  return registry
}
