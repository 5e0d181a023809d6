import type { ListenOptions } from '../../lib/index.js'
import { listen } from '../../lib/index.js'
import { openSockets } from '../gate/open-sockets.js'
import { counted, PIPELINES, type PipelineName } from './pipelines.js'

/** How a connection ended. */
export interface Ended {
  readonly id: number
  readonly reason: string
  readonly message: string | undefined
}

/** What a stage of a connection did, as `onError` is told. */
export interface Fault {
  readonly id: number
  readonly message: string
}

/** Who hears of connections. */
export interface Listening {
  readonly onEnded: (ended: Ended) => void
  readonly onFault: (fault: Fault) => void
}

/** What a server tells of itself. */
export interface Report {
  readonly connections: number
  readonly refused: number
  readonly opened: number
  readonly closed: number
  /** Descriptors of sockets; 0 where the system does not show them. */
  readonly sockets: number
  /** Bytes that are held, without garbage where the process can collect it. */
  readonly memory: number
}

/** A server, in this process or another. */
export interface FaultServer {
  readonly port: number
  report: () => Promise<Report>
  close: () => Promise<{ readonly forced: number }>
}

/** Serves a pipeline in this process. */
export async function serve(
  name: PipelineName,
  options: ListenOptions,
  { onEnded, onFault }: Listening,
): Promise<FaultServer> {
  const { counts, pipeline } = counted(PIPELINES[name]())
  const listener = await listen(pipeline, {
    host: '127.0.0.1',
    port: 0,
    ...options,
    onError: ({ message }, { id }) => onFault({ id, message }),
    onOutcome: ({ reason, error }, { id }) => onEnded({ id, reason, message: error?.message }),
  })
  return {
    port: listener.address.port,
    report: async () => {
      // Twice: what finalizers let go of is only then garbage.
      globalThis.gc?.()
      globalThis.gc?.()
      const { heapUsed, external } = process.memoryUsage()
      return {
        ...counts,
        connections: listener.connections,
        refused: listener.refused,
        sockets: openSockets().length,
        memory: heapUsed + external,
      }
    },
    close: () => listener.close(),
  }
}
