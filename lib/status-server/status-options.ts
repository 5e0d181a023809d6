import { InvalidOptionError } from '../errors.js'
import { ADDRESS_OPTIONS, type ListenAddress, listenAddress } from '../listener/address/listen-address.js'
import { ipBytes } from '../net/ip-address.js'
import { boolean, type Option, text } from '../options/option.js'
import { givenOptions, type OptionsOf } from '../options/option-values.js'
import { writtenAs } from '../options/written-as.js'

/** Connections that may wait to be accepted; a status server needs few. */
const BACKLOG = 128

/** Permission bits of the unix socket: nobody but the owner of the process. */
const DEFAULT_MODE = 0o600

/** A `b64token` of RFC 6750, of a length that cannot be guessed. */
const TOKEN = /^[A-Za-z0-9._~+/-]{16,512}=*$/

/** Every option of `serveStatus()`. */
export const STATUS_OPTIONS = {
  host: withoutDefault<string>(
    'address to bind; one that other machines can reach needs a token',
    ADDRESS_OPTIONS.host,
    '127.0.0.1',
  ),
  port: withoutDefault<number>('port to bind; 0 lets the system choose', ADDRESS_OPTIONS.port, 'none'),
  path: withoutDefault<string>(
    'file of a unix socket to listen on, instead of a port',
    ADDRESS_OPTIONS.path,
    'none',
  ),
  mode: withoutDefault<number>(
    "permission bits of the unix socket's file, such as 660",
    ADDRESS_OPTIONS.mode,
    '600: the owner alone',
  ),
  token: writtenAs<string>(
    text({
      help: 'what requests must bring, as `Authorization: Bearer TOKEN`',
      details: 'The page asks for it. `/`, `/healthz` and `/readyz` tell nothing secret, and need none.',
      absent: 'none is asked for',
    }),
    { refusal: refuseToken, writtenRefusal: refuseToken },
  ),
  allowTap: boolean({
    help: 'lets `/tap`, and so `bywash tap`, show what connections say, which is what clients send',
    default: false,
  }),
}

/** Options of `serveStatus()`: a port, or the path of a unix socket. */
export interface StatusServerOptions extends OptionsOf<typeof STATUS_OPTIONS> {}

/** The options, checked. */
export interface StatusServerSettings {
  readonly bind: ListenAddress
  readonly token: string | undefined
  /** Whether `/tap` shows what clients send. */
  readonly allowTap: boolean
  /** Whether a page of somebody else could reach the server, by a name that it lets point here. */
  readonly isOpenToBrowsers: boolean
}

/** Checks the options and fills in their defaults. */
export function statusSettings(options: StatusServerOptions): StatusServerSettings {
  const owner = 'serveStatus()'
  const {
    token,
    allowTap = false,
    ...given
  }: StatusServerOptions = givenOptions(owner, STATUS_OPTIONS, options)
  const { host = '127.0.0.1', port, path, mode = DEFAULT_MODE } = given
  if (path !== undefined) {
    const bind = listenAddress(owner, { ...given, mode }, BACKLOG)
    return { bind, token, allowTap, isOpenToBrowsers: false }
  }
  if (port === undefined) {
    throw new InvalidOptionError(`${owner} needs an address: give it 'port', or the 'path' of a unix socket.`)
  }
  if (token === undefined && !isLoopback(host)) {
    throw new InvalidOptionError(
      `${owner}: 'host' is ${host}, which other machines can reach, so it needs a 'token' (on the command line ${TOKEN_VARIABLE} in the environment). Without one, give 127.0.0.1 or the path of a unix socket.`,
    )
  }
  return {
    bind: listenAddress(owner, { ...given, host }, BACKLOG),
    token,
    allowTap,
    isOpenToBrowsers: token === undefined,
  }
}

/** The environment variable from which the command line takes the token: others can read its arguments. */
export const TOKEN_VARIABLE = 'BYWASH_STATUS_TOKEN'

/** Whether a host is this machine, and cannot be anything else. */
export function isLoopback(host: string): boolean {
  const name = host.replace(/^\[(.*)\]$/, '$1').toLowerCase()
  const bytes = ipBytes(name)
  if (bytes === undefined) return name === 'localhost'
  return bytes.length === 4 ? bytes[0] === 127 : bytes.equals(IPV6_LOOPBACK)
}

const IPV6_LOOPBACK = Buffer.from('00000000000000000000000000000001', 'hex')

function refuseToken(name: string, token: unknown): string | undefined {
  return typeof token === 'string' && TOKEN.test(token)
    ? undefined
    : `'${name}' is 16 to 512 characters out of A-Z, a-z, 0-9 and -._~+/, such as 'openssl rand -hex 32' prints`
}

/** An option of an address with a help of its own, which may be left out. */
function withoutDefault<Value>(
  help: string,
  option: Option<Value>,
  absent: string,
): Option<Value, 'optional'> {
  const { default: _, details: __, ...others } = option
  return Object.freeze({ ...others, help, absent, presence: 'optional' })
}
