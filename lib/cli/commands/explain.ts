import { Option } from 'commander'
import { loadFile } from '../../config/file/load-file.js'
import { find, type Registry } from '../../config/registry.js'
import type { PlanMode } from '../../engine/planned-stage.js'
import { InvalidOptionError } from '../../errors.js'
import type { Pipeline } from '../../pipeline.js'
import type { CommandModule } from '../command.js'
import type { Io } from '../io.js'
import { jsonText } from '../json-text.js'
import { importFlag, type PipelineFlags, pipelineFor, planOption, registryFor } from '../pipeline-flags.js'
import { planMermaid, planReport, planTree } from '../plan-report.js'

interface Flags extends PipelineFlags {
  readonly json?: boolean
  readonly mermaid?: boolean
}

interface Named {
  readonly name: string
  readonly pipeline: Pipeline<Buffer, Buffer>
  readonly plan?: PlanMode | undefined
}

/** `bywash explain '<pipeline>'`, `bywash explain PRESET` and `bywash explain FILE` */
export const configure: CommandModule['configure'] = (command, io, exit) => {
  importFlag(
    command.argument('<pipeline|file>', 'a text, the name of a preset, or a file (.yaml, .yml, .json)'),
  )
    .addOption(planOption('how the stages run; "fused", unless a file says otherwise'))
    .option('--json', 'print JSON')
    .addOption(new Option('--mermaid', 'print a diagram for https://mermaid.js.org').conflicts('json'))
    .addHelpText('after', "\nExample:\n  $ bywash explain 'lines | uppercase | to-lines'")
    .action(async (given: string, flags: Flags) => {
      const registry = await registryFor(flags, io)
      const pipelines = isFile(given, registry)
        ? await pipelinesOf(given, flags, io)
        : [{ name: given, pipeline: pipelineFor(given, registry) }]
      io.stdout.write(explained(pipelines, flags))
      exit(0)
    })
}

/** Whether the argument is a path. A text may end like one: `welcome hello.json` begins with the name of a stage. */
function isFile(given: string, registry: Registry): boolean {
  const [first = ''] = given.split(/\s/)
  return /\.(ya?ml|json)$/i.test(given) && find(registry, first) === undefined
}

/** Loads the pipelines of a file's listeners. The error for a file with problems lists all of them. */
async function pipelinesOf(path: string, flags: Flags, io: Io): Promise<readonly Named[]> {
  if (flags.import !== undefined) {
    throw new InvalidOptionError("A file names its modules itself, under 'import'; leave '--import' out.")
  }
  const { configuration, problems } = await loadFile(path, { environment: io.env })
  if (configuration === undefined) throw new InvalidOptionError(problems.join('\n'))
  return configuration.listeners.map(({ name, pipeline, listen }) => ({ name, pipeline, plan: listen.plan }))
}

function explained(pipelines: readonly Named[], { plan: chosen, json, mermaid }: Flags): string {
  const reports = pipelines.map(({ name, pipeline, plan = 'fused' }) => ({
    name,
    ...planReport(pipeline, chosen ?? plan),
  }))
  if (json) return jsonText(reports)
  const texts = reports.map(report => (mermaid ? planMermaid(report) : `${report.name}\n${planTree(report)}`))
  return `${texts.join('\n\n')}\n`
}
