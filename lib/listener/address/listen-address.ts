import { InvalidOptionError } from '../../errors.js'
import { integer, text } from '../../options/option.js'
import { settingsFrom } from '../../options/option-values.js'
import { showValue } from '../../options/show-value.js'

/** Where a listener listens: one of the three. */
export interface AddressOptions {
  readonly host?: string | undefined
  readonly port?: number | undefined
  readonly path?: string | undefined
  readonly mode?: number | undefined
  readonly fd?: number | SystemdDescriptor | undefined
}

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

/** What fits into the `sun_path` of every system; that of macOS is the shortest. */
const LONGEST_PATH = 103

/** Checks what was given, and fills in the default address. */
export function listenAddress(owner: string, options: AddressOptions, backlog: number): ListenAddress {
  const { host, port, path, mode, fd } = options
  refuseTogether(owner, { path, fd }, { host, port })
  refuseTogether(owner, { path }, { fd })
  refuseTogether(owner, { mode }, { fd })
  if (path !== undefined) return { path: checkPath(owner, path), mode: checkMode(owner, mode), backlog }
  if (mode !== undefined) {
    throw new InvalidOptionError(`${owner}: 'mode' is for the file of a unix socket; give 'path' too.`)
  }
  return fd === undefined
    ? { ...settingsFrom(owner, TCP_OPTIONS, options), backlog }
    : { fd: checkDescriptor(owner, fd), backlog }
}

/** Those of the options that flags and files can say. */
export const TCP_OPTIONS = {
  host: {
    ...text({
      help: 'address to bind; the default takes connections from every network',
      default: '0.0.0.0',
      minimum: 1,
    }),
    refusal: (name: string, value: unknown) =>
      typeof value === 'string' && value !== ''
        ? undefined
        : `'${name}' is an address or a host name, such as '127.0.0.1'; got ${showValue(value)}`,
  },
  port: integer({ help: 'port to bind; 0 lets the system choose', default: 8080, maximum: 65_535 }),
}

function refuseTogether(owner: string, some: object, others: object): void {
  const [one, other] = [some, others].map(options =>
    Object.entries(options).find(([, value]) => value !== undefined),
  )
  if (one === undefined || other === undefined) return
  throw new InvalidOptionError(
    `${owner}: '${one[0]}' and '${other[0]}' do not go together; a listener has one address.`,
  )
}

function checkPath(owner: string, path: unknown): string {
  if (typeof path !== 'string' || path === '' || path.includes('\0')) {
    throw new InvalidOptionError(`${owner}: 'path' is the file of a unix socket, such as '/run/echo.sock'.`)
  }
  if (Buffer.byteLength(path) > LONGEST_PATH) {
    throw new InvalidOptionError(
      `${owner}: 'path' has at most ${LONGEST_PATH} bytes, as unix sockets do; got ${Buffer.byteLength(path)}.`,
    )
  }
  return path
}

function checkMode(owner: string, mode: number | undefined): number | undefined {
  if (mode === undefined || (Number.isInteger(mode) && mode >= 0 && mode <= 0o777)) return mode
  throw new InvalidOptionError(`${owner}: 'mode' is permission bits, such as 0o660; got ${showValue(mode)}.`)
}

function checkDescriptor(owner: string, fd: number | SystemdDescriptor): number | SystemdDescriptor {
  if (Number.isInteger(fd) && Number(fd) >= 0) return fd
  if (typeof fd === 'string' && /^systemd(:.+)?$/.test(fd)) return fd
  throw new InvalidOptionError(
    `${owner}: 'fd' is the number of an inherited descriptor, 'systemd', or 'systemd:' and a name of it; got ${showValue(fd)}.`,
  )
}
