/** The worst that was found for one stage. */
export interface Worst {
  readonly stage: string
  time: Measured | undefined
  memory: Measured | undefined
}

/** A figure, and how it was reached. */
export interface Measured {
  /** Nanoseconds, or bytes. */
  readonly value: number
  /** What it may be at most. */
  readonly limit: number
  readonly subject: string
  readonly input: string
}

/** Nanoseconds of processor time that a byte may cost. */
export const TIME_LIMIT_NS = 200

/** A limit of its own, and the reason for it. */
export interface Exception {
  readonly limit: number
  readonly reason: string
}

/** What may go beyond a limit, and how far. docs/reliability.md says so too. */
export const EXCEPTIONS: Readonly<Record<string, Exception>> = {
  'throttle time': { limit: 1500, reason: 'each frame, also an empty one, goes through a stream' },
  'resp time': {
    limit: 350,
    reason:
      'an inline command of one letter is a frame of two bytes, and an array with a Buffer, which is long in JSON',
  },
  'syslog time': {
    limit: 300,
    reason: 'a message of one letter becomes an object of ten fields, and a line of JSON',
  },
}

/** Whether a figure is worse than another, measured by what each may be. */
export function isWorse(one: Measured, other: Measured | undefined): boolean {
  return other === undefined || one.value / one.limit > other.value / other.limit
}

/**
 * A line for each limit that is broken; it begins with FAILED unless the stage may break it. With a factor only what is beyond
 * so many times the limit fails: on a machine that does other work, processor time is shared caches too, and a reading of the
 * memory has what others left. A stage that is quadratic, or keeps all that comes, is found with a factor of 5 as well.
 */
export function broken(all: readonly Worst[], factor = 1, exceptions = EXCEPTIONS): string[] {
  return all.flatMap(({ stage, time, memory }) => [
    ...lineFor(`${stage} time`, 'ns a byte', time, factor, exceptions),
    ...lineFor(`${stage} memory`, 'bytes', memory, factor, exceptions),
  ])
}

function lineFor(
  what: string,
  unit: string,
  measured: Measured | undefined,
  factor: number,
  exceptions: Readonly<Record<string, Exception>>,
): string[] {
  if (measured === undefined || measured.value <= factor * measured.limit) return []
  const { value, limit, subject, input } = measured
  const exception = exceptions[what]
  const figures = `${Math.round(value)} of ${limit} ${unit}, ${subject}, with ${input}`
  return exception === undefined || value > factor * exception.limit
    ? [`FAILED  ${what}: ${figures}`]
    : [`allowed ${what}: ${figures}; ${exception.reason}`]
}
