import { systemClock } from '../../clock.js'
import type { CommandModule } from '../command.js'
import type { Io } from '../io.js'
import { openLog } from '../log/log.js'
import {
  type PipelineFlags,
  pipelineArgument,
  pipelineFor,
  planFlag,
  registryFor,
} from '../pipeline-flags.js'
import { openStreams, type PipeFiles } from '../piping/pipe-files.js'
import { Progress } from '../piping/progress.js'
import { runPipelines } from '../piping/run-pipelines.js'

interface Flags extends PipelineFlags, PipeFiles {
  readonly profile?: boolean
}

/** `bywash pipe '<pipeline>'` */
export const configure: CommandModule['configure'] = (command, io, exit) => {
  planFlag(pipelineArgument(command))
    .option('--in <file>', 'read this file instead of stdin')
    .option('--out <file>', 'write this file instead of stdout; what it held before is lost')
    .option('--profile', 'say on stderr, at the end, where the time went, stage by stage')
    .addHelpText('after', "\nExample:\n  $ printf 'a\\nb\\n' | bywash pipe 'lines | uppercase | to-lines'")
    .action(async (text: string, flags: Flags) => exit(await pipe(text, flags, io)))
}

async function pipe(text: string, flags: Flags, io: Io): Promise<number> {
  const { info: log } = await openLog({ format: undefined, quiet: false }, io.stderr)
  // Before the files are opened: a wrong text must not truncate the output file.
  const pipeline = pipelineFor(text, await registryFor(flags, io), log)
  const { size, ...ends } = openStreams(flags, io)
  const { stdout, stderr, clock = systemClock } = io
  // Not when stdout is a terminal too: data and progress line would mix.
  const isShown = size !== undefined && stderr.isTTY === true && (!ends.keepsOutput || stdout.isTTY !== true)
  let bytesRead = 0
  const progress = isShown ? new Progress(stderr, clock, size, () => bytesRead) : undefined
  if (isShown) {
    ends.input.on('data', ({ length }: Buffer) => {
      bytesRead += length
    })
  }
  return runPipelines([{ pipeline, ...ends }], io, { ...flags, progress })
}
