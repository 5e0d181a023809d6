import { getSystemErrorMap } from 'node:util'

/** The system's text for an error, without its code and the name of the call: `no such file or directory`. */
export function systemErrorText({ errno, message }: NodeJS.ErrnoException): string {
  return getSystemErrorMap().get(errno ?? 0)?.[1] ?? message
}
