// An MQTT 3.1.1 broker for QoS 0 with retained messages; it has no wildcards, wills or sessions.
import { hub, InvalidFrameError, lengthPrefixed, listen, pipeline, stage, toLengthPrefixed } from 'bywash'

const [port = '1883', host = '0.0.0.0'] = process.argv.slice(2)
const topics = hub<Buffer>({ onSlow: 'drop-oldest' })
const retained = new Map<string, Buffer>()

/** The topics from an offset of a packet on, with so many bytes behind each. A packet has no length in it here. */
function* topicsIn(packet: Buffer, from: number, width: number) {
  for (let at = from, end = 0; at < packet.length; at = end + width) {
    end = at + 2 + (at + 2 < packet.length ? packet.readUInt16BE(at) : 0)
    if (end > packet.length || end === at + 2) throw new InvalidFrameError('mqtt', 'a topic is cut or empty')
    yield packet.toString('utf8', at + 2, end)
  }
}
const broker = stage({
  name: 'broker',
  accepts: 'frame',
  emits: 'frame',
  open: connection => {
    let subscriptions: Map<string, () => void> | undefined
    return {
      transform(packet, controller) {
        const [type] = packet
        if (!subscriptions) {
          const isKnown = packet.toString('latin1', 0, 8) === '\x10\0\x04MQTT\x04' && packet.length > 10
          controller.enqueue(Buffer.from([0x20, 0, isKnown ? 0 : 1]))
          if (!isKnown) return controller.terminate()
          subscriptions = new Map()
          connection.setIdleTimeout(1_500 * packet.readUInt16BE(9), { inputOnly: true })
        } else if (type === 0x30 || type === 0x31) {
          const [topic = ''] = topicsIn(packet, 1, 0)
          if (type === 0x31) retained.delete(topic)
          const isKept = type === 0x31 && packet.length > 3 + packet.readUInt16BE(1) && retained.size < 256
          if (isKept) retained.set(topic, packet)
          topics.topic(topic).publish(Buffer.concat([Buffer.from([0x30]), packet.subarray(1)]))
        } else if (type === 0x82) {
          const wanted = [...topicsIn(packet, 3, 1)]
          const granted = wanted.map(topic => (/[+#]/.test(topic) ? 0x80 : 0))
          controller.enqueue(Buffer.from([0x90, ...packet.subarray(1, 3), ...granted]))
          for (const topic of new Set(wanted)) {
            subscriptions.get(topic)?.()
            subscriptions.set(topic, topics.topic(topic).subscribe(connection, controller))
            if (retained.has(topic)) controller.enqueue(retained.get(topic) as Buffer)
          }
        } else if (type === 0xa2) {
          for (const topic of topicsIn(packet, 3, 0)) subscriptions.get(topic)?.()
          controller.enqueue(Buffer.from([0xb0, ...packet.subarray(1, 3)]))
        } else if (type === 0xc0) controller.enqueue(Buffer.from([0xd0]))
        else if (type !== 0xe0) throw new InvalidFrameError('mqtt', 'it is not of QoS 0')
      },
    }
  },
})
const packets = lengthPrefixed({ width: 'varint', offset: 1, keepHeader: true })
const bytes = toLengthPrefixed({ width: 'varint', offset: 1 })
const server = pipeline().through(packets).through(broker).through(bytes)
const listener = await listen(server, { host, port: Number(port), idleTimeout: 10_000, farewell: () => '' })
process.once('SIGTERM', () => void listener.close())
process.stderr.write(`MQTT on ${listener.address.address}:${listener.address.port}\n`)
