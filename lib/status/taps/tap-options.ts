import { isIP } from 'node:net'
import { InvalidOptionError } from '../../errors.js'
import { choice, integer, text } from '../../options/option.js'
import { defaultsOf, givenOptions, type OptionsOf, type SettingsOf } from '../../options/option-values.js'
import { writtenAs } from '../../options/written-as.js'
import type { Reason } from '../../outcome.js'

/** Why connections that were served have ended. */
const REASONS = [
  'end',
  'terminated',
  'client-reset',
  'stage-error',
  'upstream-error',
  'exec-error',
  'frame-too-long',
  'invalid-frame',
  'invalid-utf8',
  'idle-timeout',
  'frame-timeout',
  'drain-timeout',
  'slow-consumer',
  'half-close-timeout',
  'shutdown',
] as const satisfies readonly Reason[]

const refuseAddress = (name: string, value: unknown) =>
  typeof value === 'string' && isIP(value) !== 0
    ? undefined
    : `'${name}' is an IP address, such as 10.0.0.7 or ::1`

/** Every option of `tap()`; exported, so that an editor shows their help. */
export const TAP_OPTIONS = {
  id: integer({ help: 'number of the connection', absent: 'any', minimum: 1 }),
  address: writtenAs<string>(text({ help: 'IP address of the client', absent: 'any' }), {
    refusal: refuseAddress,
    writtenRefusal: refuseAddress,
  }),
  reason: choice(REASONS, {
    help: 'shows the last items of connections that end for it, when they have ended',
    absent: 'any',
  }),
  maxBytes: integer({
    help: 'how many bytes of an item are shown, or characters of a line',
    default: 256,
    minimum: 1,
    maximum: 4_096,
    unit: 'bytes',
  }),
  maxRate: integer({
    help: 'how many events are shown in a second; further ones are counted',
    default: 100,
    minimum: 1,
    maximum: 1_000,
  }),
}

/** The connections that are tapped, by one of `id`, `address` and `reason`, and how much is shown. */
export interface TapOptions extends OptionsOf<typeof TAP_OPTIONS> {}

/** The same, checked, with its defaults. */
export type TapSettings = SettingsOf<typeof TAP_OPTIONS>

/** Checks the options of a tap. */
export function tapSettings(options: TapOptions): TapSettings {
  const owner = 'tap()'
  const given = { ...defaultsOf(TAP_OPTIONS), ...givenOptions(owner, TAP_OPTIONS, options) } as TapSettings
  const filters = [given.id, given.address, given.reason].filter(value => value !== undefined)
  if (filters.length !== 1) {
    throw new InvalidOptionError(
      `${owner} takes one of 'id', 'address' and 'reason': the number of a connection, the IP address of clients, or the reason of an end.`,
    )
  }
  return given
}
