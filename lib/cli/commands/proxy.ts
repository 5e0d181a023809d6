import { formatAddress } from '../../address.js'
import type { CommandModule } from '../command.js'
import { listenerFlags, listenerSettings } from '../listener-flags.js'
import { importFlag, type PipelineFlags, pipelineFor, registryFor } from '../pipeline-flags.js'
import { serve } from '../serving/serve.js'

/** The flags of the command, beside those of every listener. */
interface ProxyFlags extends Pick<PipelineFlags, 'import'> {
  readonly to: string
  readonly answers?: string
}

/** `bywash proxy --to HOST:PORT` */
export const configure: CommandModule['configure'] = (command, io, exit) => {
  importFlag(
    command.argument('[stages]', 'the stages for requests, as a text; without them requests pass unchanged'),
  )
    .requiredOption(
      '--to <address>',
      "the server to connect to, with the options of the stage 'upstream': localhost:6379, 'a:1,b:1', 'a:1 --tls'",
    )
    .option('--answers <stages>', 'the stages for answers, as a text')
  listenerFlags(command)
    .addHelpText('after', '\nExample:\n  $ bywash proxy --to localhost:6379 --port 9000')
    .action(async (stages: string | undefined, flags: ProxyFlags) => {
      const registry = await registryFor(flags, io)
      const text = [stages, `upstream ${flags.to}`, flags.answers].filter(part => part?.trim()).join(' | ')
      const announcement = {
        title: `Proxy to ${flags.to} on`,
        trial: (host: string, port: number) => `bywash connect ${formatAddress(host, port)}`,
      }
      const settings = listenerSettings(flags as unknown as Readonly<Record<string, unknown>>, io.env)
      exit(await serve(log => pipelineFor(text, registry, log), announcement, settings, io))
    })
}
