import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import { InvalidOptionError } from '../../errors.js'
import { boolean, orCode, text } from '../../options/option.js'
import type { SettingsOf } from '../../options/option-values.js'
import { systemText } from './system-text.js'

const pem = (what: string) =>
  text({
    help: `PEM file with ${what}, read when the stage is made; asks for TLS`,
    minimum: 1,
    absent: 'none',
  })

/** The options of `upstream` about TLS. */
export const UPSTREAM_TLS_OPTIONS = {
  tls: orCode<ConnectionOptions, boolean, 'default'>(
    boolean({ help: 'speaks TLS to the server, and checks its certificate', default: false }),
    {
      inCode: 'the options of `tls.connect()`',
      isCode: value => typeof value === 'object' && value !== null,
      wants: 'is true, false or the options of tls.connect()',
    },
  ),
  tlsCa: pem("the authorities that may sign the server's certificate, in place of those of the system"),
  tlsCert: pem('a certificate to show to the server'),
  tlsKey: pem("that certificate's key"),
  tlsServerName: text({
    help: "the name that the server's certificate must have, which it is also asked for (SNI); asks for TLS",
    minimum: 1,
    absent: 'the host of the address',
  }),
  tlsInsecure: boolean({
    help: "speaks TLS without checking the server's certificate: anybody between can read and change everything",
    default: false,
  }),
}

type Settings = SettingsOf<typeof UPSTREAM_TLS_OPTIONS>

/** The options of `tls.connect()`, without those of a server; undefined where no option asks for TLS. */
export function upstreamTls(settings: Settings): ConnectionOptions | undefined {
  const { tls, tlsCa, tlsCert, tlsKey, tlsServerName: servername, tlsInsecure } = settings
  const files = Object.entries({ ca: tlsCa, cert: tlsCert, key: tlsKey }).filter(
    ([, path]) => path !== undefined,
  )
  const isAsked = tls !== false || tlsInsecure || servername !== undefined || files.length > 0
  if (!isAsked) return undefined
  return {
    ...(typeof tls === 'object' ? tls : {}),
    ...Object.fromEntries(files.map(([name, path]) => [name, pemIn(path as string)])),
    ...(servername === undefined ? {} : { servername }),
    ...(tlsInsecure ? { rejectUnauthorized: false } : {}),
  }
}

/** The name that a server's certificate must have; SNI takes no IP address, and Node then checks the address. */
export function serverNameOf(host: string): string | undefined {
  return isIP(host) === 0 ? host : undefined
}

function pemIn(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    throw new InvalidOptionError(
      `upstream(): cannot read '${path}': ${systemText(error as NodeJS.ErrnoException)}.`,
    )
  }
}
