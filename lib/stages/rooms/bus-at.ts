import { InvalidOptionError } from '../../errors.js'
import type { Bus } from './bus.js'

/** The bus at a URL. */
export function busAt(url: string): Bus {
  throw new InvalidOptionError(
    `'via' is the URL of a Redis server, such as redis://127.0.0.1:6379; got ${url}.`,
  )
}
