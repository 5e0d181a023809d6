import { styleText } from 'node:util'

/** A stream that may be a terminal. */
export interface Terminal extends NodeJS.WritableStream {
  readonly isTTY?: boolean
  readonly columns?: number
  readonly fd?: number
}

/** How many columns a stream has; a terminal that does not know says 0. */
export function widthOf({ columns }: Terminal): number {
  return columns || 80
}

/** Marks text for a person; not in a file or a pipe, and not for those who mind colours (https://no-color.org). */
export function coloured(
  stream: Terminal,
  env: NodeJS.ProcessEnv,
  style: 'red' | 'green' | 'bold' | 'dim',
  text: string,
): string {
  const isPlain = stream.isTTY !== true || (env.NO_COLOR ?? '') !== '' || env.TERM === 'dumb'
  // Node would ask whether stdout is a terminal.
  return isPlain ? text : styleText(style, text, { validateStream: false })
}

/** Marks what begins an error, and the carets under a place. */
export function colouredErrors(stream: Terminal, env: NodeJS.ProcessEnv, text: string): string {
  return text.replace(/^error:|^ *\^+$/gm, mark => coloured(stream, env, 'red', mark))
}
