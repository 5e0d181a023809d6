import { type Option, text } from '../options/option.js'
import { writtenAs } from '../options/written-as.js'
import type { StatusServerOptions } from './status-options.js'

const FORMS =
  'a port, an address such as 127.0.0.1:9000 or [::1]:9000, or the path of a unix socket, which has a slash'

/** The option `--status` of the command line, and the text under `status:` in a file. */
export const STATUS_ADDRESS: Option<StatusServerOptions, 'optional'> = writtenAs(
  text({
    help: 'serves the status there: a page, JSON and metrics; a port of this machine, host:port, or the path of a unix socket',
    absent: 'nowhere',
  }),
  {
    refusal: refuse,
    writtenRefusal: refuse,
    fromWritten: address => parseStatusAddress(address) as StatusServerOptions,
  },
)

function refuse(name: string, address: unknown): string | undefined {
  return parseStatusAddress(address) === undefined ? `'${name}' must be ${FORMS}` : undefined
}

/** Parses where a status is to be served; undefined for what is no address. */
function parseStatusAddress(given: unknown): StatusServerOptions | undefined {
  const address = typeof given === 'number' ? String(given) : given
  if (typeof address !== 'string') return undefined
  if (address.includes('/') && !address.includes('://') && !address.includes('\0')) return { path: address }
  const {
    host,
    v6 = host,
    digits = '',
  } = /^(?:(?:\[(?<v6>[\da-fA-F:.%]+)\]|(?<host>[^\s:[\]/]*)):)?(?<digits>\d{1,5})$/.exec(address)?.groups ??
  {}
  const port = Number(digits || Number.NaN)
  return port <= 65_535 ? { port, ...(v6 ? { host: v6 } : {}) } : undefined
}
