import type { Plan } from '../../engine/plan.js'
import type { OutputRules } from './output-frames.js'
import type { Messages, WebSocketSettings } from './websocket-options.js'

/** Rules of the WebSockets of a listener. */
export interface StreamRules extends OutputRules {
  readonly maxLength: number
}

/** The rules that the options give, or else the stages that read and write bytes. */
export function streamRules(
  { messages, type, maxLength }: WebSocketSettings,
  plan: Pick<Plan, 'segments'>,
): StreamRules {
  const chosen = messages ?? messagesOf(plan)
  return { messages: chosen, isText: type === undefined ? chosen === 'lines' : type === 'text', maxLength }
}

/** Lines where the first stage that reads bytes gives lines, and the last one makes bytes of lines. */
function messagesOf({ segments }: Pick<Plan, 'segments'>): Messages {
  const stages = segments
    .flatMap(({ stages }) => stages)
    .flatMap(planned => planned.rewrites ?? [planned])
    // Such as `tee`, and a greeting.
    .filter(({ stage }) => stage.emits !== 'same' && stage.greeting === undefined)
  return stages[0]?.emits === 'line' && stages.at(-1)?.accepts === 'line' ? 'lines' : 'bytes'
}
