import { type Clock, systemClock } from '../../clock.js'
import type { Status } from '../../status/status.js'
import type { CommandModule } from '../command.js'
import type { Io } from '../io.js'
import { jsonText } from '../json-text.js'
import { widthOf } from '../terminal/terminal.js'
import { askStatus } from '../watching/ask-status.js'
import { LiveStatus } from '../watching/live-status.js'
import { DEFAULT_STATUS_ADDRESS, statusAddress, tokenFrom } from '../watching/status-address.js'
import { drawStatuses } from '../watching/status-view.js'

interface Flags {
  readonly json?: boolean
  readonly token?: string
}

/** The time after the first look in which a server has counted its first whole second. */
const FIRST_SECOND_MS = 1_100

/** `bywash top [ADDRESS]` */
export const configure: CommandModule['configure'] = (command, io, exit) => {
  command
    .description(
      'Show what a server does, live: its rates, what each stage does, and who is slow. Where stdout is no terminal, print it once.',
    )
    .argument(
      '[address]',
      "the server's --status: host and port, such as 127.0.0.1:9000, http://localhost:9000, or the path of a unix socket",
      DEFAULT_STATUS_ADDRESS,
    )
    .option('--json', 'print the status once, as JSON: a list with one for each listener')
    .option('--token <token>', 'the token that the server asks for; also BYWASH_STATUS_TOKEN')
    .addHelpText(
      'after',
      '\nKeys:\n  q    quit\n  s    sort the connections anew\n  /    show those with a text; Escape: all\n' +
        '  p    pause\n  tab  next listener\n\nExample:\n  $ bywash top 127.0.0.1:9000',
    )
    .action(async (word: string, flags: Flags) => {
      await top(word, flags, io)
      exit(0)
    })
}

async function top(word: string, { json, token }: Flags, io: Io): Promise<void> {
  const address = statusAddress(word)
  const clock = io.clock ?? systemClock
  const secret = tokenFrom({ token }, io.env)
  const ask = () => askStatus(address, secret, clock)
  const first = await ask()
  if (io.stdout.isTTY === true && !json) {
    await new LiveStatus(address.name, ask, first, io, clock).run()
    return
  }
  const statuses = hasRates(first) ? first : await askLater(ask, clock)
  io.stdout.write(json ? jsonText(statuses) : snapshot(statuses, widthOf(io.stdout)))
}

function hasRates(statuses: readonly Status[]): boolean {
  return statuses.every(({ traffic }) => traffic.last1s !== null)
}

/** Asks once more when there are rates: they are measured only while somebody looks. */
async function askLater(ask: () => Promise<readonly Status[]>, clock: Clock): Promise<readonly Status[]> {
  await new Promise<void>(resolve => clock.setTimeout(resolve, FIRST_SECOND_MS))
  return ask()
}

/** Every listener with all that is known of it, as plain text. */
function snapshot(statuses: readonly Status[], width: number): string {
  const state = { chosen: 0, sort: 'wait', filter: '' } as const
  const each = (list: readonly Status[]) =>
    drawStatuses(list, state, new Map(), width).map(line =>
      line
        .map(([text]) => text)
        .join('')
        .trimEnd(),
    )
  const parts = statuses.length === 0 ? [each([])] : statuses.map(status => each([status]))
  return `${parts.map(lines => lines.join('\n').trimEnd()).join('\n\n')}\n`
}
