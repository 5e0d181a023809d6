// A Redis server with some commands and with channels, in RESP2. Its data is in memory, and ends with the process.
import { hub, listen, pipeline, RespError, type RespValue, resp, respNull, stage, toResp } from 'bywash'

const [port = '6379', host = '0.0.0.0'] = process.argv.slice(2)
const data = new Map<string, Buffer>()
const channels = hub<RespValue>()
const keyOf = (word: Buffer) => `:${word.toString('latin1')}`

/** The commands, each with as many parameters as it needs at least. */
const commands: Record<string, (...words: Buffer[]) => RespValue> = {
  PING: (...[text]) => text ?? 'PONG',
  ECHO: text => text,
  SET: (key, value) => store(key, value, 'OK'),
  GET: key => data.get(keyOf(key)) ?? respNull,
  DEL: (key, ...more) => [key, ...more].filter(word => data.delete(keyOf(word))).length,
  INCR: key => {
    const value = Number(data.get(keyOf(key)) ?? 0) + 1
    return Number.isSafeInteger(value) ? store(key, `${value}`, value) : new RespError('ERR not an integer')
  },
  PUBLISH: (channel, text) => {
    channels.topic(keyOf(channel)).publish(['message', channel, text].map(word => Buffer.from(word)))
    return channels.topic(keyOf(channel)).size
  },
  INFO: () => 'loading:0', // ioredis waits until it says so.
  COMMAND: () => [],
}
function store(key: Buffer, value: Buffer | string, answer: RespValue): RespValue {
  if (data.size >= 1_000 && !data.has(keyOf(key))) return new RespError('OOM there are 1000 keys')
  data.set(keyOf(key), Buffer.from(value)) // A copy, since a word may be a view of a chunk.
  return answer
}

const redis = stage<RespValue, RespValue>({
  name: 'redis',
  accepts: 'value',
  emits: 'value',
  open: connection => {
    const joined = new Set<string>()
    return {
      transform(request, controller) {
        const [verb, ...words] = [request].flat().filter(Buffer.isBuffer)
        const name = String(verb).toUpperCase()
        const answer = commands[name]
        if (name === 'SUBSCRIBE') {
          for (const channel of words) {
            if (!joined.has(keyOf(channel))) channels.topic(keyOf(channel)).subscribe(connection, controller)
            controller.enqueue([Buffer.from('subscribe'), channel, joined.add(keyOf(channel)).size])
          }
        } else if (answer && words.length >= answer.length) controller.enqueue(answer(...words))
        else
          controller.enqueue(new RespError(`ERR unknown command ${JSON.stringify(name)}, or too few words`))
      },
    }
  },
})
const [commandsOf, bytesOf] = [resp({ bulk: 'buffer' }), toResp({ strings: 'simple' })]
const server = pipeline().through(commandsOf).through(redis).through(bytesOf)
const listener = await listen(server, { host, port: Number(port), farewell: () => '-ERR Protocol error\r\n' })
process.once('SIGTERM', () => void listener.close())
process.stderr.write(`Redis on ${listener.address.address}:${listener.address.port}\n`)
