import { once } from 'node:events'
import { InvalidOptionError } from '../../errors.js'
import { TAP_OPTIONS, tapSettings } from '../../status/taps/tap-options.js'
import type { CommandModule } from '../command.js'
import type { Io, Signal } from '../io.js'
import { asciiJson } from '../json-text.js'
import { addFlags, valuesFrom } from '../option-flags.js'
import { followTap } from '../watching/follow-tap.js'
import { DEFAULT_STATUS_ADDRESS, statusAddress, tokenFrom } from '../watching/status-address.js'
import { tapLine } from '../watching/tap-text.js'

interface Flags extends Readonly<Record<string, unknown>> {
  readonly json?: boolean
  readonly token?: string
}

const SIGNALS: readonly Signal[] = ['SIGINT', 'SIGTERM', 'SIGHUP']

/** `bywash tap [ADDRESS] --id N | --address IP | --reason REASON` */
export const configure: CommandModule['configure'] = (command, io, exit) => {
  addFlags(
    command
      .description(
        'Show what connections of a server say, stage by stage, live. The server must allow it, with --allow-tap, since this shows what clients send.',
      )
      .argument(
        '[address]',
        "the server's --status: host and port, such as 127.0.0.1:9000, http://localhost:9000, or the path of a unix socket",
        DEFAULT_STATUS_ADDRESS,
      ),
    TAP_OPTIONS,
  )
    .option('--json', 'print one JSON object a line')
    .option('--token <token>', 'the token that the server asks for; also BYWASH_STATUS_TOKEN')
    .addHelpText('after', '\nExample:\n  $ bywash tap 127.0.0.1:9000 --reason frame-timeout')
    .action(async (word: string, flags: Flags) => exit(await tap(word, flags, io)))
}

/** Returns the exit code: 0 after a signal, or when the one connection is over; 1 when the server has ended the tap. */
async function tap(word: string, flags: Flags, io: Io): Promise<number> {
  const given = valuesFrom(TAP_OPTIONS, flags)
  if ([given.id, given.address, given.reason].filter(value => value !== undefined).length !== 1) {
    throw new InvalidOptionError('Give one of --id, --address and --reason.')
  }
  const settings = tapSettings(given)
  const query = new URLSearchParams(given as Record<string, string>)
  const address = statusAddress(word)
  const { stdout, stderr } = io
  const { events, stop } = await followTap(address, String(query), tokenFrom(flags, io.env))
  let isStopped = false
  const end = () => {
    isStopped = true
    stop()
  }
  for (const signal of SIGNALS) io.on(signal, end)
  stdout.on('error', end)
  let isOver = false
  try {
    for await (const event of events) {
      const line = flags.json ? asciiJson(JSON.stringify(event)) : tapLine(event)
      isOver = event.event === 'closed' && settings.id !== undefined
      // While the terminal is stopped the server counts what it cannot send.
      if (!stdout.write(`${line}\n`)) await Promise.race([once(stdout, 'drain'), once(stdout, 'close')])
    }
  } finally {
    for (const signal of SIGNALS) io.off(signal, end)
    stdout.off('error', end)
  }
  if (isStopped || isOver) return 0
  stderr.write(`${address.name} has ended the tap.\n`)
  return 1
}
