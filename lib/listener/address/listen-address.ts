import { isIPv6 } from 'node:net'
import { InvalidOptionError } from '../../errors.js'
import { integer, text } from '../../options/option.js'
import { type OptionsOf, settingsFrom } from '../../options/option-values.js'
import { showValue } from '../../options/show-value.js'
import { writtenAs } from '../../options/written-as.js'

/** A descriptor that systemd hands over: the only one, or the one with that name. */
export type SystemdDescriptor = 'systemd' | `systemd:${string}`

interface Backlog {
  readonly backlog: number
}

/** An address, a unix socket or an inherited descriptor, as `server.listen()` of Node takes it. */
export type ListenAddress = TcpAddress | UnixAddress | InheritedDescriptor

export interface TcpAddress extends Backlog {
  readonly host: string
  readonly port: number
}

export interface UnixAddress extends Backlog {
  readonly path: string
  readonly mode: number | undefined
}

export interface InheritedDescriptor extends Backlog {
  readonly fd: number | SystemdDescriptor
}

/** The length that fits into the `sun_path` of every system; that of macOS is the shortest. */
const MAX_PATH_BYTES = 103

/** An address of fe80::/10 without a zone. */
const LINK_LOCAL = /^fe[89ab][^%]*$/i

/** The options of `listen()` that say where it listens: `host` and `port`, or `path` with `mode`, or `fd`. */
export const ADDRESS_OPTIONS = {
  host: writtenAs<string, 'default'>(
    text({
      help: 'address to bind; the default takes connections from every network',
      default: '0.0.0.0',
      minimum: 1,
    }),
    { refusal: refuseHost, writtenRefusal: refuseHost },
  ),
  port: integer({ help: 'port to bind; 0 lets the system choose', default: 8080, maximum: 65_535 }),
  path: writtenAs<string>(
    text({
      help: 'file of a unix socket to listen on, instead of a port',
      details: 'A file that a dead server has left there is removed; so is ours when the listener closes.',
      minimum: 1,
    }),
    { refusal: refusePath },
  ),
  mode: writtenAs<number>(
    text({
      help: "permission bits of the unix socket's file, such as 660",
      details: 'In code a number, such as `0o660`.',
      absent: 'what the umask leaves',
    }),
    {
      refusal: (name, mode) =>
        Number.isInteger(mode) && Number(mode) >= 0 && Number(mode) <= 0o777
          ? undefined
          : `'${name}' is permission bits, such as 0o660; got ${showValue(mode)}`,
      // A number is refused: YAML reads 660 as decimal and 0o660 as 432, and people mean the same by both.
      writtenRefusal: (name, mode) =>
        typeof mode === 'string' && /^0?[0-7]{3}$/.test(mode)
          ? undefined
          : `'${name}' is three octal digits, such as '660'; got ${showValue(mode)}`,
      fromWritten: mode => Number.parseInt(String(mode), 8),
    },
  ),
  fd: writtenAs<number | SystemdDescriptor>(
    text({
      help: 'inherited descriptor to listen on, instead of a port: its number, systemd, or systemd:NAME',
      details:
        '`systemd` is the one that systemd hands over (`LISTEN_FDS`), and `systemd:name` the one with that name.',
    }),
    {
      refusal: (name, fd) =>
        (Number.isInteger(fd) && Number(fd) >= 0) || (typeof fd === 'string' && /^systemd(:.+)?$/.test(fd))
          ? undefined
          : `'${name}' is the number of an inherited descriptor, 'systemd', or 'systemd:' and a name of it; got ${showValue(fd)}`,
      writtenRefusal: (name, fd) =>
        /^(\d+|systemd(:.+)?)$/.test(String(fd))
          ? undefined
          : `'${name}' is the number of a descriptor, 'systemd', or 'systemd:' and a name of it; got ${showValue(fd)}`,
      fromWritten: fd => (/^\d/.test(String(fd)) ? Number(fd) : (fd as SystemdDescriptor)),
    },
  ),
}

/** Checks the address that was given, or fills in the default one. */
export function listenAddress(
  owner: string,
  options: OptionsOf<typeof ADDRESS_OPTIONS>,
  backlog: number,
): ListenAddress {
  const given = (names: readonly (keyof typeof ADDRESS_OPTIONS)[]) =>
    names.find(name => options[name] !== undefined)
  refuseTogether(owner, given(['path', 'fd']), given(['host', 'port']))
  refuseTogether(owner, given(['path']), given(['fd']))
  refuseTogether(owner, given(['mode']), given(['fd']))
  if (options.mode !== undefined && options.path === undefined) {
    throw new InvalidOptionError(`${owner}: 'mode' is for the file of a unix socket; give 'path' too.`)
  }
  const { host, port, path, mode, fd } = settingsFrom(owner, ADDRESS_OPTIONS, options)
  if (path !== undefined) return { path, mode, backlog }
  return fd === undefined ? { host: withoutBrackets(host), port, backlog } : { fd, backlog }
}

function refuseTogether(owner: string, one: string | undefined, other: string | undefined): void {
  if (one === undefined || other === undefined) return
  throw new InvalidOptionError(
    `${owner}: '${one}' and '${other}' do not go together; a listener has one address.`,
  )
}

function refuseHost(name: string, host: unknown): string | undefined {
  if (typeof host !== 'string' || host === '') {
    return `'${name}' is an address or a host name, such as '127.0.0.1'; got ${showValue(host)}`
  }
  const address = withoutBrackets(host)
  return LINK_LOCAL.test(address) && isIPv6(address)
    ? `'${name}' is a link-local address, which each network has, so it needs its interface, such as '${address}%eth0'; got ${showValue(host)}`
    : undefined
}

/** The address of `[::1]`, as it stands in a URL or before a port. The first `isIPv6()` of a process takes 3 ms. */
function withoutBrackets(host: string): string {
  const [, address] = /^\[(.*)\]$/.exec(host) ?? []
  return address !== undefined && isIPv6(address) ? address : host
}

function refusePath(name: string, path: unknown): string | undefined {
  if (typeof path !== 'string' || path === '' || path.includes('\0')) {
    return `'${name}' is the file of a unix socket, such as '/run/echo.sock'`
  }
  const length = Buffer.byteLength(path)
  return length > MAX_PATH_BYTES
    ? `'${name}' has at most ${MAX_PATH_BYTES} bytes, as unix sockets do; got ${length}`
    : undefined
}
