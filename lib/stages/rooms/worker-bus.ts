import type { EventEmitter } from 'node:events'
import { type Bus, type BusEvents, MAX_WAITING } from './bus.js'

/** The part of `process` that a worker needs to exchange messages with its primary. */
interface IpcProcess extends Pick<EventEmitter, 'on' | 'off'> {
  readonly connected?: boolean
  readonly send?: (message: unknown, handle: undefined, options: undefined, sent: () => void) => unknown
}

/** A message that the primary passes on to the other workers. */
interface RoomMessage {
  readonly bywashRoom: string
  readonly message: string
}

/** The bus of the workers of a listener: their primary passes each message on to the others. Hubs share one listener. */
export function workerBus(worker: IpcProcess): Bus {
  const receivers = new Set<BusEvents['receive']>()
  let waiting = 0
  const onMessage = (message: Partial<RoomMessage> | undefined) => {
    if (message?.bywashRoom === undefined) return
    for (const receive of receivers) receive(message.bywashRoom, message.message as string)
  }
  return {
    connect: ({ receive }) => {
      if (receivers.size === 0) worker.on('message', onMessage)
      receivers.add(receive)
      return {
        publish: (channel, message) => {
          if (!worker.connected || waiting + message.length > MAX_WAITING) return false
          waiting += message.length
          worker.send?.({ bywashRoom: channel, message }, undefined, undefined, () => {
            waiting -= message.length
          })
          return true
        },
        subscribe: () => {},
        unsubscribe: () => {},
        close: async () => {
          receivers.delete(receive)
          if (receivers.size === 0) worker.off('message', onMessage)
        },
      }
    },
  }
}
