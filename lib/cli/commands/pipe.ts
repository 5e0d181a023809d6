import { systemClock } from '../../clock.js'
import type { CommandModule } from '../command.js'
import type { Io } from '../io.js'
import { importFlag, pipelineFor, planFlag, registryFor, type TextFlags } from '../pipeline-text.js'
import { Ends } from '../piping/ends.js'
import { openEnds, type PipeFiles } from '../piping/pipe-files.js'
import { Progress } from '../piping/progress.js'
import { runThrough } from '../piping/run-through.js'

type Flags = TextFlags & PipeFiles

/** `bywash pipe '<pipeline>'` */
export const configure: CommandModule['configure'] = (command, io, exit) => {
  planFlag(importFlag(command.argument('<pipeline>', 'a text such as: lines | uppercase | to-lines')))
    .option('--in <file>', 'read this file instead of stdin')
    .option('--out <file>', 'write this file instead of stdout; what it held before is lost')
    .addHelpText('after', "\nExample:\n  $ printf 'a\\nb\\n' | bywash pipe 'lines | uppercase | to-lines'")
    .action(async (text: string, flags: Flags) => exit(await pipe(text, flags, io)))
}

async function pipe(text: string, flags: Flags, io: Io): Promise<number> {
  // First, so that a wrong text does not cost the file that is to be written.
  const log = (line: string) => void io.stderr.write(`${line}\n`)
  const pipeline = pipelineFor(text, await registryFor(flags, io), log)
  const { input, output, keepsOutput, size } = openEnds(flags, io)
  const ends = new Ends(input, output, { keepsOutput })
  const { stdout, stderr, clock = systemClock } = io
  // A terminal cannot show both.
  const isShown = size !== undefined && stderr.isTTY === true && (!keepsOutput || stdout.isTTY !== true)
  const progress = isShown ? new Progress(stderr, clock, size, () => ends.bytesRead) : undefined
  return runThrough([{ pipeline, ends }], io, { ...flags, progress })
}
