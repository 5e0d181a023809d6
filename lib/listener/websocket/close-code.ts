import type { Reason } from '../../outcome.js'

/** Stands for a close frame without a code, and is never sent. */
export const NO_CODE = 1005

// RFC 6455 §7.4.1 has the codes.
const NORMAL = 1000
const GOING_AWAY = 1001
const INVALID_DATA = 1007
const POLICY = 1008
const TOO_BIG = 1009
const INTERNAL_ERROR = 1011

const CODES: Partial<Record<Reason, number>> = {
  shutdown: GOING_AWAY,
  'stage-error': INTERNAL_ERROR,
  'frame-too-long': TOO_BIG,
  'invalid-frame': INVALID_DATA,
  'invalid-utf8': INVALID_DATA,
  'idle-timeout': POLICY,
  'frame-timeout': POLICY,
  'drain-timeout': POLICY,
  'slow-consumer': POLICY,
  'half-close-timeout': POLICY,
}

/** The close code with which a client hears why its connection ended. */
export function closeCodeOf(reason: Reason): number {
  return CODES[reason] ?? NORMAL
}
