import { getSystemErrorMap } from 'node:util'

/** What the system says of a failure, without the code and the call: `no such file or directory`. */
export function systemErrorText({ errno, message }: NodeJS.ErrnoException): string {
  return getSystemErrorMap().get(errno ?? 0)?.[1] ?? message
}
