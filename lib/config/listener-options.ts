import { CONNECTION_TIMES } from '../engine/connection-options.js'
import { type SystemdDescriptor, TCP_OPTIONS } from '../listener/address/listen-address.js'
import { LISTEN_OPTIONS, type ListenOptions } from '../listener/listen-options.js'
import type { OptionTable } from '../options/option.js'
import { type Option, text } from '../options/option.js'
import { showValue } from '../options/show-value.js'

const { backlog, noDelay, keepAlive, keepAliveInitialDelay, shutdownTimeout, uncaught, plan, ...limits } =
  LISTEN_OPTIONS

/** A text that has a form of its own. */
function written(isAllowed: (value: unknown) => boolean, wants: string, option: Option): Option {
  const refusal = (name: string, value: unknown) =>
    isAllowed(value) ? undefined : `'${name}' is ${wants}; got ${showValue(value)}`
  return Object.freeze({ ...option, refusal })
}

/** No number: YAML reads 660 as decimal and 0o660 as 432, and people mean the same by both. */
const isMode = (value: unknown) => typeof value === 'string' && /^0?[0-7]{3}$/.test(value)

const isDescriptor = (value: unknown) => /^(\d+|systemd(:.+)?)$/.test(String(value))

/** Where a listener listens that has no port. */
const OTHER_ADDRESSES: OptionTable = {
  path: text({ help: 'file of a unix socket to listen on, instead of a port', minimum: 1 }),
  mode: written(
    isMode,
    "three octal digits, such as '660'",
    text({ help: "permission bits of the unix socket's file, such as 660", absent: 'what the umask leaves' }),
  ),
  fd: written(
    isDescriptor,
    "the number of a descriptor, 'systemd', or 'systemd:' and a name of it",
    text({
      help: 'inherited descriptor to listen on, instead of a port: its number, systemd, or systemd:NAME',
    }),
  ),
}

/**
 * The options of `listen()` that a file, or the command line, can say. The defaults are those of `listen()`, but that a
 * server that nobody programs closes idle connections.
 */
export const LISTENER_OPTIONS: OptionTable = {
  ...TCP_OPTIONS,
  ...OTHER_ADDRESSES,
  ...limits,
  ...CONNECTION_TIMES,
  idleTimeout: Object.freeze({ ...CONNECTION_TIMES.idleTimeout, default: 300_000 }),
  shutdownTimeout,
  backlog,
  noDelay,
  keepAlive,
  keepAliveInitialDelay,
  uncaught,
  plan,
}

/** The values of these options as `listen()` takes them. */
export function listenOptions({ mode, fd, ...values }: Readonly<Record<string, unknown>>): ListenOptions {
  return {
    ...values,
    ...(mode === undefined ? {} : { mode: Number.parseInt(String(mode), 8) }),
    ...(fd === undefined ? {} : { fd: /^\d/.test(String(fd)) ? Number(fd) : (fd as SystemdDescriptor) }),
  }
}
