import { InvalidOptionError } from '../../errors.js'
import type { Bus } from './bus.js'
import { nats } from './nats.js'
import { redis } from './redis.js'

/** The bus at a URL. */
export function busAt(url: string): Bus {
  if (/^rediss?:\/\//i.test(url)) return redis(url)
  if (/^(nats|tls):\/\//i.test(url)) return nats(url)
  throw new InvalidOptionError(
    "'via' is the URL of a Redis or NATS server, such as redis://127.0.0.1:6379 or nats://127.0.0.1:4222.",
  )
}
