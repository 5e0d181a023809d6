import { styleText } from 'node:util'

/** An output stream that may be a terminal. */
export interface Terminal extends NodeJS.WritableStream {
  readonly isTTY?: boolean
  readonly columns?: number
  readonly rows?: number
  readonly fd?: number
}

/** Number of columns of a stream: 80 when it is no terminal, or a terminal that reports 0. */
export function widthOf({ columns }: Terminal): number {
  return columns || 80
}

/** Colours a text, unless the stream is no terminal, or NO_COLOR (https://no-color.org) or TERM=dumb is set. */
export function coloured(
  stream: Terminal,
  env: NodeJS.ProcessEnv,
  style: 'red' | 'green' | 'bold' | 'dim',
  text: string,
): string {
  const isPlain = stream.isTTY !== true || (env.NO_COLOR ?? '') !== '' || env.TERM === 'dumb'
  // Without this, Node would check whether process.stdout is a terminal, and not this stream.
  return isPlain ? text : styleText(style, text, { validateStream: false })
}

/** Colours the word `error:` at the beginning of a line, and the carets under a place, red. */
export function colouredErrors(stream: Terminal, env: NodeJS.ProcessEnv, text: string): string {
  return text.replace(/^error:|^ *\^+$/gm, mark => coloured(stream, env, 'red', mark))
}
