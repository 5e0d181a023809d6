import { type Clock, systemClock } from '../clock.js'
import type { Connection } from '../connection.js'
import {
  abortSignal,
  CONNECTION_CALLBACKS,
  CONNECTION_LIMITS,
  CONNECTION_TIMES,
  time,
} from '../engine/connection-options.js'
import { PLAN_MODES } from '../engine/planned-stage.js'
import { OPEN_FILES } from '../open-files.js'
import { checkNames } from '../options/check-option.js'
import {
  type About,
  boolean,
  callback,
  choice,
  integer,
  type Option,
  type OptionTable,
  orFunction,
  text,
} from '../options/option.js'
import { type OptionsOf, settingsFrom } from '../options/option-values.js'
import { showValue } from '../options/show-value.js'
import type { TlsOptions } from '../options/tls-options.js'
import { writtenAs } from '../options/written-as.js'
import type { Outcome } from '../outcome.js'
import type { Observe } from '../status/status.js'
import { type AddressRange, parseAddressRange } from './address/address-range.js'
import { ADDRESS_OPTIONS, listenAddress } from './address/listen-address.js'
import type { AdmissionRules } from './admission.js'
import { type TrustedProxies, UNIX_PEERS } from './proxy-headers.js'
import { UNCAUGHT_POLICIES, type UncaughtHandler, type UncaughtPolicy } from './uncaught.js'
import { type WebSocketOptions, webSocketSettings } from './websocket/websocket-options.js'
import { workersOption, workersSettings } from './workers/workers-options.js'

/** A limit beyond the number of connections that any process can have. */
const MAX_CONNECTIONS = 2_147_483_647

const OBSERVE: readonly Observe[] = ['always', 'sampled', 'off']

/** The headings of the flags, in the order of the help. */
export const HEADINGS = ['Address', 'Limits', 'Deadlines', 'Sockets', 'Process', 'TLS', 'WebSocket'] as const

/** An option of `listen()`, with what the command line and files know of it. */
export interface ListenOption extends Option {
  /** The heading of its flag in the help of a command; none for an option that has no flag. */
  readonly group?: (typeof HEADINGS)[number]
  /**
   * The way in which a reload of the file changes it: `live` gives the new value to new connections while the address
   * stays bound, and `rebind` binds the address anew. None for an option that no file can have.
   */
  readonly reload?: 'live' | 'rebind'
}

/**
 * Every option of `listen()`. The type `ListenOptions`, the checks and defaults, the flags of the command line, the keys
 * of a file, the JSON Schema and the tables of docs/file.md all come from here. An option without a group is for code
 * only.
 */
export const LISTEN_OPTIONS = {
  ...group('Address', 'rebind', ADDRESS_OPTIONS),
  ...group('Address', 'live', {
    proxyProtocol: ranges(
      {
        help: 'addresses and CIDR ranges of proxies: each connection begins with a PROXY header, version 1 or 2',
        details:
          "The address in it is then the client's, for logs, stages, `allow`, `deny` and limits. A connection from elsewhere, and one without a valid header within 3 s, is refused. `unix` stands for every sender on a unix socket.",
        absent: 'no header is read',
      },
      [UNIX_PEERS],
    ),
  }),
  ...group('TLS', 'live', {
    // Checked, with its certificates, where they are loaded.
    tls: inCode<TlsOptions>(
      { help: 'speaks TLS with these certificates', absent: 'no TLS' },
      () => undefined,
    ),
  }),
  ...group('WebSocket', 'live', {
    websocket: inCode<WebSocketOptions | boolean>(
      {
        help: 'serves WebSockets instead of TCP; true is all defaults',
        details: 'The same list serves browsers: `messages` says what a message is to it.',
        absent: 'TCP',
      },
      // Checked, with its own names, in listenSettings().
      () => undefined,
    ),
  }),
  ...group('Sockets', 'rebind', {
    backlog: integer({
      help: 'how many connections may wait to be accepted',
      details:
        "The system's own limit stands above it (on Linux `net.core.somaxconn`, mostly 4096); beyond that a SYN is dropped, and the client tries again after a second.",
      default: 65_535,
      minimum: 1,
      maximum: 65_535,
    }),
    noDelay: boolean({ help: 'sends small writes at once (TCP_NODELAY)', default: true }),
    keepAlive: boolean({ help: 'probes silent peers (SO_KEEPALIVE)', default: true }),
    keepAliveInitialDelay: time('the silence before the first probe', 60_000),
  }),
  ...group('Limits', 'live', {
    maxConnections: integer({
      help: 'how many connections are served at once',
      details: 'One more is told `error: too many connections`, and its outcome is `refused`.',
      absent: '10000, or what the limit of open files leaves',
      minimum: 1,
      maximum: MAX_CONNECTIONS,
    }),
    maxConnectionsPerAddress: integer({
      help: 'how many connections of one address are served at once; 0 is any number',
      details: 'One more is refused.',
      default: 0,
      maximum: MAX_CONNECTIONS,
    }),
    allow: ranges({
      help: 'addresses and CIDR ranges that are served',
      details: 'Others are refused. A range is written as `10.0.0.0/8`.',
      absent: 'all',
    }),
    deny: ranges({
      help: 'addresses and CIDR ranges that are refused, also where allow has them',
      absent: 'none',
    }),
    ...CONNECTION_LIMITS,
  }),
  ...group('Deadlines', 'live', {
    ...CONNECTION_TIMES,
    shutdownTimeout: time('how long open connections may finish when the listener closes', 15_000, {
      details: '`close()` then destroys them.',
    }),
  }),
  ...group('Process', 'live', {
    uncaught: orFunction<UncaughtHandler, UncaughtPolicy, 'default'>(
      choice(UNCAUGHT_POLICIES, {
        help: 'what an uncaught error that belongs to no connection does',
        details:
          'Asked where the program has no `uncaughtException` listener of its own. `exit` closes the listener and then lets Node print the error and exit with code 1, `isolate` makes it a warning of the process, and a function gets it instead.',
        default: 'exit',
      }),
      '(error) => void',
    ),
    plan: choice(PLAN_MODES, { help: 'how the stages run', default: 'fused' }),
    observe: choice(OBSERVE, {
      help: 'when clocks look at what the stages do, for `status()`',
      details:
        '`sampled` times one turn in 64, and only while somebody looks: for 75 s after each call of `status()`. `always` times every turn, and `off` none. Counts are kept in any case.',
      default: 'sampled',
    }),
  }),
  // A file has them for all of its listeners, and not for one.
  ...group('Process', undefined, {
    workers: workersOption(),
  }),
  signal: abortSignal('closes the listener when it is aborted'),
  onOpen: callback<(connection: Connection) => void>({
    help: 'called once for each connection that is served, before its first stage and its TLS handshake',
    inCode: '(connection) => void',
  }),
  onOutcome: callback<(outcome: Outcome, connection: Connection) => void>({
    help: 'called once for each connection, when it is over; also for one that was refused',
    inCode: '(outcome, connection) => void',
  }),
  clock: inCode<Clock>(
    {
      help: 'where deadlines take the time from; a test gives its own',
      absent: "the system's clock",
    },
    refuseClock,
  ),
  ...CONNECTION_CALLBACKS,
}

/** Options of `listen()`. Times are in milliseconds. */
export interface ListenOptions extends OptionsOf<typeof LISTEN_OPTIONS> {}

/** Whether a reload can change an option while the address stays bound. */
export function isLive(name: string): boolean {
  const { reload }: Partial<ListenOption> = LISTEN_OPTIONS[name as keyof typeof LISTEN_OPTIONS]
  return reload === 'live'
}

/** The options that are called with a connection, whose address they may ask for when the peer has gone. */
const CALLBACKS = ['onOpen', 'onOutcome', 'onError', 'farewell'] as const

export type ListenSettings = ReturnType<typeof listenSettings>

/** Checks the options of the accepting side and fills in their defaults. */
export function listenSettings(options: ListenOptions) {
  const owner = 'listen()'
  checkNames(owner, options, Object.keys(LISTEN_OPTIONS))
  OPEN_FILES.refresh()
  const {
    maxConnections = OPEN_FILES.defaultMaxConnections,
    maxConnectionsPerAddress,
    noDelay,
    keepAlive,
    keepAliveInitialDelay,
    workers: givenWorkers,
    onOpen = () => {},
    onOutcome = () => {},
    clock = systemClock,
    ...settings
  } = settingsFrom(owner, LISTEN_OPTIONS, options)
  const bind = listenAddress(owner, options, settings.backlog)
  const workers = workersSettings(givenWorkers, bind)
  const processes = workers?.spread === 'primary' ? workers.count : 1
  const admission: AdmissionRules = {
    maxConnections,
    maxConnectionsPerAddress: maxConnectionsPerAddress || Infinity,
    allow: parseRanges(settings.allow),
    deny: parseRanges(settings.deny),
  }
  return {
    bind,
    tls: settings.tls,
    websocket: webSocketSettings(`${owner}: websocket`, settings.websocket),
    socket: { noDelay, keepAlive, keepAliveInitialDelay },
    admission,
    proxies: trustedProxies(settings.proxyProtocol),
    shutdownTimeout: settings.shutdownTimeout,
    plan: settings.plan,
    observe: settings.observe,
    uncaught: settings.uncaught,
    workers,
    /** The connections of one process that were asked for, and that its limit of open files has to allow. */
    promised: Math.ceil((options.maxConnections === undefined ? 0 : maxConnections) / processes),
    signal: settings.signal,
    onOpen,
    onOutcome,
    tells: CALLBACKS.some(name => options[name] !== undefined),
    clock,
  }
}

/** Options that stand below one heading in the help, and that a reload treats alike. */
function group<Options extends OptionTable>(
  heading: ListenOption['group'],
  reload: ListenOption['reload'],
  options: Options,
): Options {
  const facts = { group: heading, ...(reload === undefined ? {} : { reload }) }
  const entries = Object.entries(options).map(([name, option]) => [
    name,
    Object.freeze({ ...option, ...facts }),
  ])
  return Object.fromEntries(entries)
}

/** An option that only code can give. */
function inCode<Value>(about: About<never>, refusal: Option['refusal']): Option<Value, 'optional'> {
  return Object.freeze({ ...about, type: 'code', presence: 'optional', isList: false, refusal })
}

/** Addresses and CIDR ranges: one, or a list of them. `words` are taken too. */
function ranges(about: About<never>, words: readonly string[] = []): Option<readonly string[], 'optional'> {
  const refusal = (name: string, value: unknown) => refuseRanges(name, value, words)
  return writtenAs({ ...text(about), isList: true }, { refusal, writtenRefusal: refusal })
}

function refuseRanges(name: string, value: unknown, words: readonly string[]): string | undefined {
  const list = [value].flat()
  const wrong = list.findIndex(
    range => parseAddressRange(range) === undefined && !words.includes(range as string),
  )
  const examples = ["'10.0.0.0/8'", "'2001:db8::/32'", ...words.map(word => `'${word}'`)]
  return wrong === -1
    ? undefined
    : `'${name}' is a list of addresses and CIDR ranges, such as ${examples.slice(0, -1).join(', ')} and ${examples.at(-1)}; got ${showValue(list[wrong])}`
}

function parseRanges<List extends readonly string[] | undefined>(
  list: List,
): List extends undefined ? undefined : readonly AddressRange[]
function parseRanges(list: readonly string[] | undefined): readonly AddressRange[] | undefined {
  return list && [list].flat().map(range => parseAddressRange(range) as AddressRange)
}

function trustedProxies(given: readonly string[] | undefined): TrustedProxies | undefined {
  const list = given && [given].flat()
  return (
    list && {
      ranges: parseRanges(list.filter(range => range !== UNIX_PEERS)),
      unix: list.includes(UNIX_PEERS),
    }
  )
}

function refuseClock(name: string, clock: unknown): string | undefined {
  const methods = clock as Record<string, unknown> | null
  const wrong = ['now', 'setTimeout', 'clearTimeout'].find(method => typeof methods?.[method] !== 'function')
  return wrong && `'${name}.${wrong}' is a function; got ${showValue(methods?.[wrong])}`
}
