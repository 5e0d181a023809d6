// The errors of connections that end because of time, or for an error that nobody caught. Times are in milliseconds.

import type { IdleTimeout } from '../../connection.js'
import { StageError, TimeoutError } from '../../errors.js'
import { formatDuration } from '../../options/format-duration.js'
import type { StageCounts } from '../../stage-counts.js'
import type { PlannedStage } from '../planned-stage.js'

export function drainTimedOut(time: number): TimeoutError {
  const message = `The client took no output for ${formatDuration(time)} ('drainTimeout').`
  return new TimeoutError('drain-timeout', message, 'output was not read')
}

export function idleTimedOut(time: number): TimeoutError {
  const duration = formatDuration(time)
  const message = `Nothing came from the client or went to it for ${duration} ('idleTimeout').`
  return new TimeoutError('idle-timeout', message, `idle for ${duration}`)
}

/** The error of a connection that was idle for the time that a stage has set. */
export function ownIdleTimedOut({ milliseconds, inputOnly }: IdleTimeout): TimeoutError {
  const duration = formatDuration(milliseconds)
  const message = `Nothing came from the client${inputOnly ? '' : ' or went to it'} for ${duration} ('setIdleTimeout()').`
  return new TimeoutError('idle-timeout', message, `idle for ${duration}`)
}

export function frameTimedOut({ name, emits }: PlannedStage, time: number): TimeoutError {
  const unit = emits === 'line' ? 'line' : 'frame'
  const duration = formatDuration(time)
  const message = `Stage '${name}' waited ${duration} for the rest of a ${unit} ('frameTimeout').`
  return new TimeoutError('frame-timeout', message, `${unit} took longer than ${duration}`)
}

/** The error of a stage that has taken input and given no answer. */
export function noAnswer(stage: string, time: number): StageError {
  return new StageError(stage, `has not answered for ${formatDuration(time)}: it may not have called back.`)
}

/** The error of a timer or callback that one of these stages had started. */
export function strayFailure(stages: readonly StageCounts[], cause: unknown): StageError {
  const names = stages.map(({ name }) => name).join(' | ')
  const text = cause instanceof Error ? cause.message : String(cause)
  return new StageError(names, `failed in a timer or callback that it had started: ${text}`, { cause })
}
