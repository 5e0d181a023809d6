import {
  type BywashError,
  lines,
  type Outcome,
  type PlanMode,
  pipeline,
  type Stage,
  toLines,
  welcome,
} from '../../lib/index.js'
import { connect } from '../../lib/testing/index.js'

/** Serves a list of line stages, with a greeting in front, to a client that sends a text and ends. */
export async function serveLines(
  plan: PlanMode,
  stages: readonly Stage<string, string>[],
  text: string,
): Promise<{ answer: string; outcome: Outcome; errors: BywashError[] }> {
  let decoded = pipeline().through(lines())
  for (const each of stages) decoded = decoded.through(each)
  const errors: BywashError[] = []
  const whole = decoded.through(toLines()).through(welcome('hi\n'))
  const client = connect(whole, { plan, onError: error => errors.push(error) })
  client.end(text)
  const answer = (await client.receive()).toString()
  return { answer, outcome: await client.outcome, errors }
}
