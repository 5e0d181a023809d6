import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import type { Readable, Writable } from 'node:stream'
import { parseAddress } from '../../address.js'
import { InvalidOptionError } from '../../errors.js'
import { type Pipeline, pipeline } from '../../pipeline.js'
import type { CommandModule } from '../command.js'
import { CommandFailure } from '../command-failure.js'
import type { Io } from '../io.js'
import { importFlag, type PipelineFlags, pipelineFor, registryFor } from '../pipeline-flags.js'
import { CombinedDuplex } from '../piping/combined-duplex.js'
import { runPipelines } from '../piping/run-pipelines.js'
import { systemErrorText } from '../system-error-text.js'

interface Flags extends PipelineFlags {
  readonly receive?: string
}

/** `bywash connect ADDRESS ['<pipeline>']` */
export const configure: CommandModule['configure'] = (command, io, exit) => {
  importFlag(
    command
      .argument(
        '<address>',
        'host and port, such as localhost:8080 or [::1]:8080, or the path of a unix socket',
      )
      .argument('[pipeline]', 'a text such as: lines | prefix "> " | to-lines, for what is sent'),
  )
    .option('--receive <pipeline>', 'the same for what the server answers')
    .addHelpText(
      'after',
      '\nSends stdin, says that it has ended, and prints the answer until the server closes.\n\nExample:\n  $ echo hello | bywash connect localhost:8080',
    )
    .action(async (address: string, text: string | undefined, flags: Flags) =>
      exit(await connect(address, text, flags, io)),
    )
}

async function connect(address: string, text: string | undefined, flags: Flags, io: Io): Promise<number> {
  const target = targetOf(address)
  const registry = await registryFor(flags, io)
  const [sending, receiving] = [text, flags.receive].map(each =>
    each === undefined ? pipeline() : pipelineFor(each, registry),
  ) as [Pipeline<Buffer, Buffer>, Pipeline<Buffer, Buffer>]
  const socket = connectTcp({ ...target, allowHalfOpen: true })
  try {
    await once(socket, 'connect')
  } catch (error) {
    throw new CommandFailure(
      `cannot connect to ${address}: ${connectErrorText(error as NodeJS.ErrnoException)}`,
    )
  }
  return runPipelines(
    [
      {
        name: 'received',
        pipeline: receiving,
        duplex: new CombinedDuplex(socket, io.stdout as Writable, { keepsOutput: true }),
      },
      { name: 'sent', pipeline: sending, duplex: new CombinedDuplex(io.stdin as Readable, socket) },
    ],
    io,
    flags,
  )
}

function targetOf(address: string): { host: string; port: number } | { path: string } {
  const target = address.includes('/') ? { path: address } : parseAddress(address)
  if (target !== undefined) return target
  throw new InvalidOptionError(
    `'${address}' is no address. Write a host and a port, such as localhost:8080 or [::1]:8080, or the path of a ` +
      'unix socket, such as ./echo.sock.',
  )
}

/** Explanations of the common errors of connect(2), by code; the system's own text serves for all others. */
const CONNECT_ERROR_TEXTS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nobody listens there',
  ENOTFOUND: 'there is no such host',
  EAI_AGAIN: 'the name cannot be looked up now',
  ETIMEDOUT: 'no answer',
}

/** The code is the last resort: when a host name has several addresses, Node's error has no message. */
function connectErrorText(error: NodeJS.ErrnoException): string {
  const { code = '' } = error
  return CONNECT_ERROR_TEXTS[code] ?? (systemErrorText(error) || code)
}
