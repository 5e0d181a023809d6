import type { Readable, Writable } from 'node:stream'
import { MAX_TIMEOUT_MS } from '../../clock.js'
import { InvalidOptionError } from '../../errors.js'
import { integer } from '../../options/option.js'
import { type Pipeline, pipeline } from '../../pipeline.js'
import type { CommandModule } from '../command.js'
import { isTlsAlert, noteConnection } from '../connecting/connection-notes.js'
import { type ClientTls, openConnection, tlsOptions } from '../connecting/open-connection.js'
import { type Target, targetOf } from '../connecting/target.js'
import type { Io } from '../io.js'
import { addFlags } from '../option-flags.js'
import { importFlag, type PipelineFlags, pipelineFor, registryFor } from '../pipeline-flags.js'
import { runPipelines } from '../piping/run-pipelines.js'

interface Flags extends PipelineFlags, ClientTls {
  readonly receive?: string
  readonly timeout?: number
  readonly verbose?: boolean
}

const OPTIONS = {
  timeout: integer({
    help: 'give up when nothing has come or gone for so long, also while connecting',
    absent: 'never',
    minimum: 1,
    maximum: MAX_TIMEOUT_MS,
    unit: 'ms',
  }),
}

/** `bywash connect ADDRESS [PORT] ['<pipeline>']` */
export const configure: CommandModule['configure'] = (command, io, exit) => {
  const described = command
    .usage('[options] <address> [port] [pipeline]')
    .description(
      'Connect to a server, as a client. Sends stdin, says that it has ended, and prints the answer until the server closes.',
    )
    .argument(
      '<address>',
      'host and port, such as localhost:8080, [::1]:8080 or tls://localhost:8443, or the path of a unix socket',
    )
    .argument('[port|pipeline]', 'the port, where the address has none')
    .argument('[pipeline]', 'a text such as: lines | prefix "> " | to-lines, for what is sent')
  addFlags(
    importFlag(described)
      .option('--receive <pipeline>', 'the same for what the server answers')
      .option('-v, --verbose', 'say on stderr when it is connected, and by whom it is closed'),
    OPTIONS,
  )
    .optionsGroup('TLS:')
    .option('--tls', 'speak TLS; so do all of these flags')
    .option('--tls-ca <file>', "authorities that the server's certificate is checked with, in PEM")
    .option('--tls-server-name <name>', 'name that is asked for (SNI), and that the certificate must have')
    .option('--tls-insecure', 'accept any certificate')
    .option('--tls-cert <file>', 'certificate to show, with its chain, in PEM')
    .option('--tls-key <file>', 'private key of that certificate, in PEM')
    .addHelpText('after', '\nExample:\n  $ echo hello | bywash connect localhost:8080')
    .action(async (address: string, second: string | undefined, third: string | undefined, flags: Flags) => {
      const hasPort = /^\d+$/.test(second ?? '')
      if (!hasPort && third !== undefined) {
        throw new InvalidOptionError(
          `'${second}' is no port. Write a number, or put the whole text in quotes.`,
        )
      }
      const target = targetOf(address, hasPort ? second : undefined)
      exit(await connect(target, hasPort ? third : second, flags, io))
    })
}

async function connect(target: Target, text: string | undefined, flags: Flags, io: Io): Promise<number> {
  const registry = await registryFor(flags, io)
  const [sending, receiving] = [text, flags.receive].map(each =>
    each === undefined ? pipeline() : pipelineFor(each, registry),
  ) as [Pipeline<Buffer, Buffer>, Pipeline<Buffer, Buffer>]
  const { timeout, verbose } = flags
  const tls = tlsOptions(target, flags, io)
  const socket = await openConnection(target, { tls, timeout })
  const closed = new Promise(resolve => socket.once('close', resolve))
  if (verbose) noteConnection(socket, line => void io.stderr.write(`${line}\n`))
  let isRefused = false
  socket.once('data', (chunk: Buffer) => {
    isRefused = tls === undefined && isTlsAlert(chunk)
  })
  const exitCode = await runPipelines(
    [
      {
        name: 'received',
        pipeline: receiving,
        input: socket,
        output: io.stdout as Writable,
        keepsOutput: true,
      },
      { name: 'sent', pipeline: sending, input: io.stdin as Readable, output: socket, keepsOutput: false },
    ],
    io,
    flags,
  )
  socket.destroy()
  await closed
  if (!isRefused) return exitCode
  io.stderr.write(`${target.name} speaks TLS; connect with --tls.\n`)
  return 1
}
