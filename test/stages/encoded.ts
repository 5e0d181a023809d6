import type { BywashError, Frame, FrameTooLongError, Stage } from '../../lib/index.js'
import { runStage } from '../../lib/testing/index.js'

/** What a decoder does with an input: frames as latin1 text, reports and the failure as codes. */
export interface Decoded {
  readonly frames: readonly string[]
  readonly reports: readonly string[]
  readonly failure: string | undefined
}

const codeOf = ({ code }: BywashError) => code.replace('ERR_BYWASH_', '')

export async function decode(
  stage: Stage<Buffer, Frame>,
  chunks: readonly Buffer[],
  plan: 'fused' | 'streams',
): Promise<Decoded> {
  const reports: string[] = []
  const text = (frames: readonly Buffer[]) => frames.map(frame => frame.toString('latin1'))
  try {
    const onError = (error: BywashError) => void reports.push(codeOf(error))
    const frames = await runStage(stage, chunks, { plan, onError })
    return { frames: text(frames), reports, failure: undefined }
  } catch (error) {
    const { output } = error as FrameTooLongError & { output: Buffer[] }
    return { frames: text(output), reports, failure: codeOf(error as BywashError) }
  }
}

/** Texts (latin1) as frames. */
export function frames(...texts: readonly string[]): Frame[] {
  return texts.map(text => Buffer.from(text, 'latin1'))
}

/** How many bytes were copied from buffer to buffer in a run. */
export async function copied(run: () => Promise<unknown>): Promise<number> {
  let bytes = 0
  const copy = Buffer.prototype.copy
  Buffer.prototype.copy = function (this: Buffer, ...parameters: Parameters<Buffer['copy']>) {
    const count = copy.apply(this, parameters)
    bytes += count
    return count
  } as Buffer['copy']
  try {
    await run()
  } finally {
    Buffer.prototype.copy = copy
  }
  return bytes
}

/** A text (latin1) as one chunk for each of its bytes. */
export function dribble(text: string): Buffer[] {
  return Array.from(Buffer.from(text, 'latin1'), byte => Buffer.from([byte]))
}
