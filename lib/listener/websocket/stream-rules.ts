import type { Plan } from '../../engine/plan.js'
import type { OutputRules } from './output-frames.js'
import type { Messages, WebSocketSettings } from './websocket-options.js'

/** Rules of the WebSockets of a listener. */
export interface StreamRules extends OutputRules {
  readonly maxLength: number
  /** Whether the list may become another one, with rules of its own. */
  readonly mayChange: boolean
  /** The rules of another list of the same connection. */
  readonly of: (plan: Plan) => StreamRules
}

/** The rules that the options give, or else the stages that read and write bytes. */
export function streamRules(
  settings: WebSocketSettings,
  plan: Pick<Plan, 'segments' | 'upgrades'>,
): StreamRules {
  const { messages = messagesOf(plan), type, maxLength } = settings
  return {
    messages,
    isText: type === undefined ? messages === 'lines' : type === 'text',
    maxLength,
    mayChange: plan.upgrades,
    of: next => streamRules(settings, next),
  }
}

/** `lines` where the first stage that reads bytes gives lines and the last one makes bytes of lines, and else `bytes`. */
function messagesOf({ segments }: Pick<Plan, 'segments'>): Messages {
  const stages = segments
    .flatMap(({ stages }) => stages)
    .flatMap(planned => planned.rewrites ?? [planned])
    // Stages that pass bytes on unchanged, such as `tee`, or only greet say nothing about messages.
    .filter(({ stage }) => stage.emits !== 'same' && stage.greeting === undefined)
  return stages[0]?.emits === 'line' && stages.at(-1)?.accepts === 'line' ? 'lines' : 'bytes'
}
