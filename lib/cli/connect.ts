import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import type { Readable, Writable } from 'node:stream'
import { parseAddress } from '../address.js'
import { InvalidOptionError } from '../errors.js'
import { type Pipeline, pipeline } from '../pipeline.js'
import type { CommandModule } from './commands.js'
import { Ends } from './ends.js'
import type { Io } from './main.js'
import { importFlag, pipelineFor, registryFor, type TextFlags } from './pipeline-text.js'
import { runThrough } from './run-through.js'

interface Flags extends TextFlags {
  readonly receive?: string
}

/** `bywash connect HOST:PORT ['<text>']` */
export const configure: CommandModule['configure'] = (command, io, exit) => {
  importFlag(
    command
      .argument('<address>', 'host and port, such as localhost:8080 or [::1]:8080')
      .argument('[text]', 'a pipeline for what is sent; what the server answers is printed as it is'),
  )
    .option('--receive <text>', 'a pipeline for what the server answers')
    .addHelpText(
      'after',
      '\nSends stdin, says that it has ended, and prints the answer until the server closes.\n\nExample:\n  $ echo hello | bywash connect localhost:8080',
    )
    .action(async (address: string, text: string | undefined, flags: Flags) =>
      exit(await connect(address, text, flags, io)),
    )
}

async function connect(address: string, text: string | undefined, flags: Flags, io: Io): Promise<number> {
  const target = parseAddress(address)
  if (target === undefined) {
    throw new InvalidOptionError(
      `'${address}' is no address. Write a host and a port, such as localhost:8080.`,
    )
  }
  const registry = await registryFor(flags, io)
  const [sending, receiving] = [text, flags.receive].map(each =>
    each === undefined ? pipeline() : pipelineFor(each, registry),
  ) as [Pipeline<Buffer, Buffer>, Pipeline<Buffer, Buffer>]
  const socket = connectTcp({ ...target, allowHalfOpen: true })
  try {
    await once(socket, 'connect')
  } catch (error) {
    io.stderr.write(`cannot connect to ${address}: ${reasonOf(error as NodeJS.ErrnoException)}\n`)
    return 1
  }
  return runThrough(
    [
      { pipeline: receiving, ends: new Ends(socket, io.stdout as Writable, { keepsOutput: true }) },
      { pipeline: sending, ends: new Ends(io.stdin as Readable, socket) },
    ],
    io,
    flags,
  )
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nobody listens there',
  ENOTFOUND: 'there is no such host',
  EAI_AGAIN: 'the name cannot be looked up now',
  ETIMEDOUT: 'no answer',
}

/** Where a name has several addresses, Node's error has a code and no message. */
function reasonOf({ code = '', message }: NodeJS.ErrnoException): string {
  return REASONS[code] ?? message
}
