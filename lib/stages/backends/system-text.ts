import { getSystemErrorMap } from 'node:util'

/** Explanations of common errors, by code; the system's own text serves for all others. */
const TEXTS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nobody listens there',
  ENOTFOUND: 'there is no such host',
  EAI_AGAIN: 'the name cannot be looked up now',
  ETIMEDOUT: 'no answer',
  ECONNRESET: 'it has reset the connection',
  EPIPE: 'it has closed the connection',
}

/** Why an operation of the system or of TLS has failed, in words without a full stop. */
export function systemText(error: NodeJS.ErrnoException & { readonly reason?: string }): string {
  const { code = '', errno = 0, reason, message } = error
  // When a host name has several addresses, Node's error has no message.
  return (
    TEXTS[code] ?? reason ?? getSystemErrorMap().get(errno)?.[1] ?? (message.replace(/[\s.]+$/, '') || code)
  )
}
