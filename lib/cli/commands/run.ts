import { formatAddress } from '../../address.js'
import type { CommandModule } from '../command.js'
import { listenerFlags, listenerSettings } from '../listener-flags.js'
import { pipelineArgument, pipelineFor, registryFor } from '../pipeline-flags.js'
import { serve } from '../serving/serve.js'

/** `bywash run '<pipeline>'` */
export const configure: CommandModule['configure'] = (command, io, exit) => {
  listenerFlags(pipelineArgument(command))
    .addHelpText(
      'after',
      "\nExample:\n  $ bywash run 'lines --max-length 4KiB | uppercase | to-lines' --port 9000",
    )
    .action(async (text: string, flags) => {
      const registry = await registryFor(flags, io)
      const announcement = {
        title: 'Pipeline on',
        trial: (host: string, port: number) => `bywash connect ${formatAddress(host, port)}`,
      }
      exit(
        await serve(
          log => pipelineFor(text, registry, log),
          announcement,
          listenerSettings(flags, io.env),
          io,
        ),
      )
    })
}
