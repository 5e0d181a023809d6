import type { IncomingMessage } from 'node:http'
import { printable } from '../../options/printable.js'
import type { TapEvent } from '../../status/taps/tap-event.js'
import { CommandFailure } from '../command-failure.js'
import { failureText, openRequest } from './ask-status.js'
import type { StatusAddress } from './status-address.js'

/** The most characters of a refusal that are shown. */
const MAX_REFUSAL_CHARACTERS = 2_048

/** The longest line that is taken; that of an event of 4,096 bytes is shorter. */
const MAX_LINE_LENGTH = 262_144

/** A connection to a server that tells what connections say. */
export interface FollowedTap {
  /** The events, as they come; it ends when the server has ended them, or `stop` was called. */
  readonly events: AsyncIterable<TapEvent>
  readonly stop: () => void
}

/**
 * Asks a server to tell what connections say.
 *
 * @param query - The options of the tap, as the query of a URL.
 * @throws CommandFailure when there is no answer, or a refusal.
 */
export async function followTap(
  { request, isTls, name }: StatusAddress,
  query: string,
  token: string | undefined,
): Promise<FollowedTap> {
  const path = `${request.path.replace(/\/status$/, '')}/tap?${query}`
  const asked = await openRequest({ request: { ...request, path }, isTls }, 'text/event-stream', token)
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    asked.on('error', error => reject(new CommandFailure(`error: ${failureText(name, error)}`)))
    asked.on('response', resolve)
    asked.end()
  })
  // A server that goes away has ended its events.
  response.on('error', () => {})
  if (response.statusCode !== 200) throw new CommandFailure(`error: ${await refusalOf(response, name)}`)
  return { events: eventsIn(response), stop: () => void response.destroy() }
}

/** The answer to a request that was refused, in the server's own words, since they say what to change. */
async function refusalOf(response: IncomingMessage, name: string): Promise<string> {
  let text = ''
  for await (const chunk of response.setEncoding('latin1')) {
    text += chunk
    if (text.length > MAX_REFUSAL_CHARACTERS) break
  }
  const words = printable(text.slice(0, MAX_REFUSAL_CHARACTERS).trim())
  return `${name} answers with ${response.statusCode}: ${words}`
}

async function* eventsIn(response: IncomingMessage): AsyncGenerator<TapEvent> {
  let rest = ''
  try {
    for await (const chunk of response.setEncoding('utf8')) {
      const lines: string[] = (rest + chunk).split('\n')
      rest = lines.pop() as string
      for (const line of lines) {
        const event = line.startsWith('data: ') ? parsed(line.slice(6)) : undefined
        if (event !== undefined) yield event
      }
      if (rest.length > MAX_LINE_LENGTH) return
    }
  } catch {
    // The server has gone, or nobody wants to hear more.
  }
}

function parsed(json: string): TapEvent | undefined {
  try {
    return JSON.parse(json)
  } catch {
    // The server is not bywash.
    return undefined
  }
}
