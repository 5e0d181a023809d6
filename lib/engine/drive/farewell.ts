import type { Connection } from '../../connection.js'
import type { BywashError } from '../../errors.js'
import { asBuffer, isThenable } from '../../kind.js'
import { showValue } from '../../options/show-value.js'
import { guarded, tellOf } from '../guarded.js'

/** The callbacks of the user that say how a connection fails. */
interface Callbacks {
  readonly farewell: (error: BywashError, connection: Connection) => string | Uint8Array | undefined
  readonly onError: ((error: BywashError, connection: Connection) => void) | undefined
}

/** The last bytes for the peer of a failing connection; undefined for none. */
export function farewellBytes(
  error: BywashError,
  connection: Connection,
  { farewell, onError }: Callbacks,
): Buffer | undefined {
  const last: unknown = guarded('farewell', () => farewell(error, connection), connection, onError)
  if (typeof last === 'string') return Buffer.from(last)
  const bytes = asBuffer('bytes', last)
  if (bytes !== undefined || last === undefined) return bytes
  const tell = (what: string) =>
    tellOf(
      `The callback 'farewell' returned ${what}. It returns text or bytes, or undefined for none.`,
      connection,
      onError,
    )
  // One that rejects is said already.
  if (isThenable(last))
    last.then(
      () => tell('a promise'),
      () => {},
    )
  else tell(showValue(last))
  return undefined
}
