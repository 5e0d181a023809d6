import { time } from '../../engine/connection-options.js'
import { InvalidOptionError } from '../../errors.js'
import { checkNames, isObject } from '../../options/check-option.js'
import { boolean, choice, integer, type Option, text } from '../../options/option.js'
import { type OptionsOf, type SettingsOf, settingsFrom } from '../../options/option-values.js'
import { showValue } from '../../options/show-value.js'
import { writtenAs } from '../../options/written-as.js'

/** The form in which the stages get a message. */
export type Messages = 'lines' | 'frames' | 'bytes'

/** Every option of `websocket`. */
export const WEBSOCKET_OPTIONS = {
  messages: choice(['lines', 'frames', 'bytes'], {
    help: 'what a message is: a line, a frame with its length in front, or any number of bytes',
    details:
      'With `lines` a message gets a line feed, unless it ends with one, and each line of output is a message without its delimiter. With `frames` the list speaks `lengthPrefixed()` and `toLengthPrefixed()` with their defaults, and the length is put before each message, and taken off again. With `bytes` the borders of messages mean nothing.',
    absent:
      'lines where the list begins with a decoder of lines and ends with an encoder of lines, else bytes',
  }),
  type: choice(['text', 'binary'], {
    help: 'what is sent, text or binary messages; both are taken',
    details: 'In text messages bytes that are not UTF-8 become U+FFFD, as the protocol allows no others.',
    absent: 'text for lines, else binary',
  }),
  origins: originList({
    help: "origins of the pages whose scripts may connect, such as https://example.com; '*' is any",
    details: 'Clients that are no browsers send no origin, and are served in any case.',
    absent: 'those of this host and port',
  }),
  maxLength: integer({
    help: 'the longest message that is taken',
    default: 1_048_576,
    minimum: 1,
    maximum: 1_073_741_824,
    unit: 'bytes',
  }),
  pingInterval: time(
    'the silence of a client before it is sent a ping, and then ended; 0 sends none',
    30_000,
  ),
  handshakeTimeout: time('how long the HTTP request may take from the accept on', 5_000, { minimum: 1 }),
  page: boolean({
    help: 'serves a small page with an input and an output at /',
    default: false,
  }),
}

/** Options of `websocket`. Times are in milliseconds. */
export interface WebSocketOptions extends OptionsOf<typeof WEBSOCKET_OPTIONS> {}

/** The options of `websocket`, checked, with their defaults filled in. */
export type WebSocketSettings = SettingsOf<typeof WEBSOCKET_OPTIONS>

/** Checks the options and fills in their defaults; undefined where WebSockets are not spoken. */
export function webSocketSettings(
  owner: string,
  given: WebSocketOptions | boolean | undefined,
): WebSocketSettings | undefined {
  if (given === undefined || given === false) return undefined
  const options = given === true ? {} : given
  if (!isObject(options)) {
    throw new InvalidOptionError(`${owner} is true, or an object of options; got ${showValue(given)}.`)
  }
  checkNames(owner, options, Object.keys(WEBSOCKET_OPTIONS))
  return settingsFrom(owner, WEBSOCKET_OPTIONS, options)
}

/** Origins: one, or a list of them. */
function originList(about: Parameters<typeof text>[0]): Option<readonly string[], 'optional'> {
  return writtenAs(
    { ...text(about), isList: true },
    { refusal: refuseOrigins, writtenRefusal: refuseOrigins },
  )
}

function refuseOrigins(name: string, value: unknown): string | undefined {
  const list = [value].flat()
  const wrong = list.findIndex(one => !isOrigin(one))
  return wrong === -1
    ? undefined
    : `'${name}' is a list of origins, such as 'https://chat.example.com', or '*'; got ${showValue(list[wrong])}`
}

/** Whether a text is an origin as browsers write it: a scheme, a host, and a port where it is not that of the scheme. */
function isOrigin(given: unknown): boolean {
  if (given === '*' || given === 'null') return true
  if (typeof given !== 'string' || !URL.canParse(given)) return false
  const { protocol, host } = new URL(given)
  return given === `${protocol}//${host}`
}
