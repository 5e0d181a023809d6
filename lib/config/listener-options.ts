import { HEADINGS, LISTEN_OPTIONS, type ListenOption } from '../listener/listen-options.js'

/** Listener options by name, ordered as the help is. */
export type ListenerOptions = Readonly<Record<string, ListenOption>>

const { idleTimeout } = LISTEN_OPTIONS

/** The options of `listen()`. Only one default differs: a server without code of its own closes idle connections. */
const TABLE: ListenerOptions = {
  ...LISTEN_OPTIONS,
  idleTimeout: Object.freeze({ ...idleTimeout, default: 300_000 }),
}

/** The options of `listen()` that have a flag. */
export const LISTENER_FLAGS: ListenerOptions = Object.fromEntries(
  HEADINGS.flatMap(heading =>
    Object.entries(TABLE).filter(([, { type, group }]) => group === heading && type !== 'code'),
  ),
)

/** The options of `listen()` that have a key under `listen:` in a file. */
export const LISTENER_OPTIONS: ListenerOptions = Object.fromEntries(
  Object.entries(LISTENER_FLAGS).filter(([, { reload }]) => reload !== undefined),
)
