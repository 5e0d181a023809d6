// An MQTT 3.1.1 broker for QoS 0 (OASIS MQTT 3.1.1): CONNECT, SUBSCRIBE, UNSUBSCRIBE, PUBLISH and PINGREQ, without wildcards.
import { type Controller, decode, hub, InvalidFrameError, listen, pipeline, stage } from 'bywash'

const [port = '1883', host = '0.0.0.0'] = process.argv.slice(2)

/** A control packet: its first byte, and what comes behind its length. */
interface Packet {
  readonly head: number
  readonly body: Buffer
}

const packets = decode('mqtt', 'value', function* (read) {
  const head = yield* read.uint8()
  let length = 0
  for (let shift = 0, byte = 0x80; byte & 0x80; shift += 7) {
    if (shift > 21) throw new InvalidFrameError('mqtt', 'its length has more than four bytes')
    byte = yield* read.uint8()
    length |= (byte & 0x7f) << shift
  }
  return { head, body: Buffer.from(yield* read.bytes(length)) } as Packet
})

/** The text at an offset, with its length in front, and the offset behind it. */
function textAt(body: Buffer, at: number): [text: string, end: number] {
  if (at + 2 > body.length) throw new InvalidFrameError('mqtt', 'it ends within a text')
  const end = at + 2 + body.readUInt16BE(at)
  return [body.toString('utf8', at + 2, end), end]
}

const topics = hub<Buffer>({ onSlow: 'drop-oldest' })

const broker = stage<Packet, Buffer>({
  name: 'broker',
  accepts: 'value',
  emits: 'bytes',
  open: connection => {
    const subscriptions = new Map<string, () => void>()
    const actions: Record<number, (packet: Packet, controller: Controller<Buffer>) => void> = {
      1: (_, controller) => controller.enqueue(Buffer.from([0x20, 2, 0, 0])),
      3: ({ head, body }) => topics.topic(textAt(body, 0)[0]).publish(encode(head & 0xf0, body)),
      8: ({ body }, controller) => {
        const granted: number[] = []
        for (let at = 2; at < body.length; granted.push(0)) {
          const [topic, end] = textAt(body, at)
          at = end + 1
          subscriptions.get(topic)?.()
          subscriptions.set(topic, topics.topic(topic).subscribe(connection, controller))
        }
        controller.enqueue(encode(0x90, Buffer.from([...body.subarray(0, 2), ...granted])))
      },
      10: ({ body }, controller) => {
        for (let at = 2; at < body.length; ) {
          const [topic, end] = textAt(body, at)
          at = end
          subscriptions.get(topic)?.()
        }
        controller.enqueue(encode(0xb0, body.subarray(0, 2)))
      },
      12: (_, controller) => controller.enqueue(Buffer.from([0xd0, 0])),
      14: (_, controller) => controller.terminate(),
    }
    return {
      transform(packet, controller) {
        const action = actions[packet.head >> 4]
        if (action === undefined || (packet.head & 0xf6) === 0x32)
          throw new InvalidFrameError('mqtt', 'it is not of QoS 0')
        action(packet, controller)
      },
    }
  },
})

function encode(head: number, body: Buffer): Buffer {
  const length: number[] = []
  let left = body.length
  do {
    length.push((left & 0x7f) | (left > 0x7f ? 0x80 : 0))
    left >>= 7
  } while (left > 0)
  return Buffer.concat([Buffer.from([head, ...length]), body])
}

const listener = await listen(pipeline().through(packets).through(broker), {
  host,
  port: Number(port),
  farewell: () => undefined,
})
process.once('SIGTERM', () => void listener.close())
process.stderr.write(`MQTT on ${listener.address.address}:${listener.address.port}\n`)
