import { parseAddressRange } from '../address-range.js'
import { LONGEST_TIMEOUT } from '../connection-options.js'
import type { SystemdDescriptor } from '../listen-address.js'
import type { ListenOptions } from '../listen-options.js'
import { boolean, choice, integer, type Option, text } from '../option.js'
import { showValue } from '../show-value.js'

/** A time that has a default. */
export const time = (help: string, standard: number, minimum = 0) =>
  integer({ help, default: standard, minimum, maximum: LONGEST_TIMEOUT, unit: 'ms' })

const count = (minimum: number) => ({ minimum, maximum: 2_147_483_647 })

/** Addresses and CIDR ranges: one, or a list of them. */
function ranges(help: string, absent: string): Option {
  return Object.freeze({ ...text({ help, absent }), isList: true, refusal: refuseRanges })
}

function refuseRanges(name: string, value: unknown): string | undefined {
  try {
    for (const range of Array.isArray(value) ? value : [value]) parseAddressRange('', name, range)
    return undefined
  } catch (error) {
    return (error as Error).message.replace(/^: |\.$/g, '')
  }
}

/** A text that has a form of its own. */
function written(isAllowed: (value: unknown) => boolean, wants: string, option: Option): Option {
  const refusal = (name: string, value: unknown) =>
    isAllowed(value) ? undefined : `'${name}' is ${wants}; got ${showValue(value)}`
  return Object.freeze({ ...option, refusal })
}

/** No number: YAML reads 660 as decimal and 0o660 as 432, and people mean the same by both. */
const isMode = (value: unknown) => typeof value === 'string' && /^0?[0-7]{3}$/.test(value)

const isDescriptor = (value: unknown) => /^(\d+|systemd(:.+)?)$/.test(String(value))

/**
 * The options of `listen()` that a file, or the command line, can say. The defaults are those of `listen()`, but that
 * a server that nobody programs closes idle connections.
 */
export const LISTENER_OPTIONS: Readonly<Record<string, Option>> = {
  host: text({
    help: 'address to bind; the default takes connections from every network',
    default: '0.0.0.0',
    minimum: 1,
  }),
  port: integer({ help: 'port to bind; 0 lets the system choose', default: 8080, maximum: 65_535 }),
  path: text({
    help: 'file of a unix socket to listen on, instead of a port',
    minimum: 1,
    absent: 'a port is bound',
  }),
  mode: written(
    isMode,
    "three octal digits, such as '660'",
    text({
      help: "permission bits of the unix socket's file, in octal, such as 660",
      absent: 'what the umask leaves',
    }),
  ),
  fd: written(
    isDescriptor,
    "the number of a descriptor, 'systemd', or 'systemd:' and a name of it",
    text({
      help: 'inherited descriptor to listen on, instead of a port: its number, systemd, or systemd:NAME',
      absent: 'a port is bound',
    }),
  ),
  maxConnections: integer({
    ...count(1),
    help: 'how many connections are served at once',
    absent: '10000, or what the limit of open files leaves',
  }),
  maxConnectionsPerAddress: integer({
    ...count(0),
    help: 'how many connections of one address are served at once; 0 is any number',
    default: 0,
  }),
  allow: ranges('addresses and CIDR ranges that are served', 'all'),
  deny: ranges('addresses and CIDR ranges that are refused, also where allow has them', 'none'),
  idleTimeout: time('how long nothing may come or go; 0 is for ever', 300_000),
  frameTimeout: time(
    'how long a line or frame may take from its first byte to its last; 0 is for ever',
    30_000,
  ),
  drainTimeout: time('how long output may wait without the client taking any of it; 0 is for ever', 60_000),
  halfCloseTimeout: time('how long a connection whose input has ended may go without progress', 10_000, 1),
  shutdownTimeout: time('how long open connections may finish when the listener closes', 15_000),
  backlog: integer({
    help: 'how many connections may wait to be accepted',
    default: 65_535,
    minimum: 1,
    maximum: 65_535,
  }),
  noDelay: boolean({ help: 'sends small writes at once (TCP_NODELAY)', default: true }),
  keepAlive: boolean({ help: 'probes silent peers (SO_KEEPALIVE)', default: true }),
  keepAliveInitialDelay: time('the silence before the first probe', 60_000),
  uncaught: choice(['exit', 'isolate'], {
    help: 'what an uncaught error that belongs to no connection does',
    default: 'exit',
  }),
  plan: choice(['fused', 'streams'], { help: 'how the stages run', default: 'fused' }),
}

/** The values of these options as `listen()` takes them. */
export function listenOptions({ mode, fd, ...values }: Readonly<Record<string, unknown>>): ListenOptions {
  return {
    ...values,
    ...(mode === undefined ? {} : { mode: Number.parseInt(String(mode), 8) }),
    ...(fd === undefined ? {} : { fd: /^\d/.test(String(fd)) ? Number(fd) : (fd as SystemdDescriptor) }),
  }
}
