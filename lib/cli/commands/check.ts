import type { Configuration } from '../../config/file/configuration.js'
import { loadFile, type PlacedProblem } from '../../config/file/load-file.js'
import { type MemoryBound, memoryBound } from '../../config/memory-bound.js'
import { OPEN_FILES } from '../../open-files.js'
import type { CommandModule } from '../command.js'
import type { Io } from '../io.js'
import { jsonText } from '../json-text.js'
import { memorySummary } from '../plan-report.js'

/** `bywash check FILE…` */
export const configure: CommandModule['configure'] = (command, io, exit) => {
  command
    .argument('<file...>', 'YAML or JSON')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  $ bywash check bywash.yaml')
    .action(async (files: string[], flags: Flags) => exit(await check(files, flags, io)))
}

interface Flags {
  readonly json?: boolean
}

/** A listener in the output of `check --json`. */
interface CheckedListener {
  readonly file: string
  readonly name: string
  readonly memory: MemoryBound
  readonly maxConnections: number
}

/**
 * Prints the problems of files, each as `file:line:column: message`, and what the connections of their listeners can hold; binds
 * nothing. Returns the exit code.
 */
export async function check(files: readonly string[], { json }: Flags, io: Io): Promise<number> {
  const all: PlacedProblem[] = []
  const listeners: CheckedListener[] = []
  for (const file of files) {
    const { configuration, problems, warnings, placed } = await loadFile(file, {
      environment: io.env,
      readsCertificates: true,
    })
    const checked = (configuration?.listeners ?? []).map(listener => checkedListener(file, listener))
    all.push(...placed)
    listeners.push(...checked)
    if (json) continue
    for (const line of [...problems, ...warnings]) io.stdout.write(`${line}\n`)
    for (const { name, memory, maxConnections } of checked) {
      io.stdout.write(`${file}: ${name}: ${memorySummary(memory, maxConnections)}\n`)
    }
  }
  if (json) io.stdout.write(jsonText({ problems: all, listeners }))
  return all.length > 0 ? 1 : 0
}

function checkedListener(
  file: string,
  { name, pipeline, listen }: Configuration['listeners'][number],
): CheckedListener {
  const { plan = 'fused', maxConnections = OPEN_FILES.defaultMaxConnections } = listen
  return { file, name, memory: memoryBound(pipeline, plan), maxConnections: Number(maxConnections) }
}
