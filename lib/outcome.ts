/**
 * Why a connection ended:
 *
 * - `end`: the peer sent FIN, everything was answered, and we sent FIN
 * - `terminated`: a stage ended it in good order
 * - `become`: only in the `close` of a stage: its list has ended, and the connection goes on with another one
 * - `client-reset`: the peer went away, or the transport failed
 * - `stage-error`: a stage failed; `error` names it
 * - `upstream-error`: a server that a stage passes the connection on to could not be reached, or has broken off
 * - `exec-error`: a program that a stage runs for the connection could not be started, or has failed
 * - `frame-too-long`: the peer sent a line or frame over the limit
 * - `invalid-frame`: the peer sent a frame that breaks the rules of its format
 * - `invalid-utf8`: the peer sent text that is not UTF-8
 * - `idle-timeout`: nothing came or went for `idleTimeout`
 * - `frame-timeout`: a line or frame stayed unfinished for `frameTimeout`
 * - `drain-timeout`: the peer took none of the output that was waiting for it for `drainTimeout`
 * - `slow-consumer`: the peer left more than `maxPending` bytes of what was pushed to it unread
 * - `half-close-timeout`: after the end of the input, output made no progress for `halfCloseTimeout`
 * - `shutdown`: the listener was closed; what had come was answered, unless the time ran out
 * - `refused`: the listener did not take the connection, because of a limit or of the peer's address
 * - `worker-died`: the worker that served it died, and `error` says how; its byte counts are not known, and 0
 */
export type Reason =
  | 'end'
  | 'terminated'
  | 'become'
  | 'client-reset'
  | 'stage-error'
  | 'upstream-error'
  | 'exec-error'
  | 'frame-too-long'
  | 'invalid-frame'
  | 'invalid-utf8'
  | 'idle-timeout'
  | 'frame-timeout'
  | 'drain-timeout'
  | 'slow-consumer'
  | 'half-close-timeout'
  | 'shutdown'
  | 'refused'
  | 'worker-died'

/** How a connection ended. */
export interface Outcome {
  readonly reason: Reason
  /** The error that ended the connection, or the first of several; undefined where there was none. */
  readonly error: Error | undefined
  /** Bytes that came from the peer and were handed to the first stage. */
  readonly bytesRead: number
  /** Bytes that the pipeline (and the farewell) handed to the transport. */
  readonly bytesWritten: number
  /** Whole milliseconds from open to close. */
  readonly duration: number
}
