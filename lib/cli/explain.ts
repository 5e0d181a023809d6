import { loadFile } from '../config/load-file.js'
import { InvalidOptionError } from '../errors.js'
import type { Pipeline } from '../pipeline.js'
import type { CommandModule } from './commands.js'
import type { Io } from './main.js'
import { importFlag, pipelineFor, planFlag, registryFor, type TextFlags } from './pipeline-text.js'
import { planMermaid, planReport, planTree } from './plan-report.js'

interface Flags extends TextFlags {
  readonly json?: boolean
  readonly mermaid?: boolean
}

interface Named {
  readonly name: string
  readonly pipeline: Pipeline<Buffer, Buffer>
}

/** `bywash explain '<text>' | preset | file` */
export const configure: CommandModule['configure'] = (command, io, exit) => {
  planFlag(
    importFlag(
      command.argument('<pipeline>', 'a text, the name of a preset, or a file (.yaml, .yml, .json)'),
    ),
  )
    .option('--json', 'print JSON')
    .option('--mermaid', 'print a diagram for https://mermaid.js.org')
    .addHelpText('after', "\nExample:\n  $ bywash explain 'lines | uppercase | unlines'")
    .action(async (given: string, flags: Flags) => {
      const isFile = /\.(ya?ml|json)$/i.test(given)
      const pipelines = isFile
        ? await pipelinesOf(given, io)
        : [{ name: given, pipeline: pipelineFor(given, await registryFor(flags, io)) }]
      io.stdout.write(`${explained(pipelines, flags)}\n`)
      exit(0)
    })
}

/** The listeners' pipelines; as with `check` a file with problems shows all of them. */
async function pipelinesOf(path: string, io: Io): Promise<readonly Named[]> {
  const { configuration, problems } = await loadFile(path, { environment: io.env })
  if (configuration === undefined) throw new InvalidOptionError(problems.join('\n'))
  return configuration.listeners
}

function explained(pipelines: readonly Named[], { plan = 'fused', json, mermaid }: Flags): string {
  const reports = pipelines.map(({ name, pipeline }) => ({ name, ...planReport(pipeline, plan) }))
  if (json) return JSON.stringify(reports, undefined, 2)
  return reports
    .map(report => (mermaid ? planMermaid(report) : `${report.name}\n${planTree(report)}`))
    .join('\n\n')
}
