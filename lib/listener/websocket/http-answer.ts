import type { BywashError } from '../../errors.js'

/** The names of the statuses that are answered. */
const STATUSES = {
  400: 'Bad Request',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  426: 'Upgrade Required',
  431: 'Request Header Fields Too Large',
  503: 'Service Unavailable',
} as const

export type Status = keyof typeof STATUSES

/** An HTTP answer, whole, behind which the connection ends. */
export function httpAnswer(status: Status, body: string, headers: readonly string[] = []): string {
  const text = `${body}\n`
  return [
    `HTTP/1.1 ${status} ${STATUSES[status]}`,
    'Connection: close',
    'Content-Type: text/plain; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(text)}`,
    ...headers,
    '',
    text,
  ].join('\r\n')
}

/** The answer to a client that is refused before its request is read. */
export function httpRefusal(error: BywashError & { readonly farewell?: string }): string {
  return httpAnswer(503, `error: ${error.farewell}`)
}
