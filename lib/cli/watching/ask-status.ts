import { type ClientRequest, type IncomingMessage, request as requestHttp } from 'node:http'
import type { Clock } from '../../clock.js'
import { printable } from '../../options/printable.js'
import type { Status } from '../../status/status.js'
import { CommandFailure } from '../command-failure.js'
import { systemErrorText } from '../system-error-text.js'
import type { StatusAddress } from './status-address.js'
import { isStatus, versionOf } from './status-shape.js'

/** The time for a whole answer. */
const DEADLINE_MS = 5_000

/** The longest answer that is read; the status of a hundred listeners is shorter. */
const MAX_ANSWER_BYTES = 16_777_216

/**
 * Asks a server for its status: the status of each of its listeners.
 *
 * @throws CommandFailure when there is no answer, or another one.
 */
export async function askStatus(
  address: StatusAddress,
  token: string | undefined,
  clock: Clock,
): Promise<readonly Status[]> {
  const { name } = address
  const request = await openRequest(address, 'application/json', token)
  return statusesIn(await answer(request, name, token !== undefined, clock), name)
}

/** Makes a request to a server; it is not sent before its `end()`. */
export async function openRequest(
  { request, isTls }: Pick<StatusAddress, 'request' | 'isTls'>,
  accept: string,
  token: string | undefined,
): Promise<ClientRequest> {
  const open = isTls ? (await import('node:https')).request : requestHttp
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` }
  return open({ ...request, headers: { accept, ...authorization }, agent: false })
}

function answer(request: ClientRequest, name: string, hasToken: boolean, clock: Clock): Promise<string> {
  return new Promise((resolve, reject) => {
    const fail = (message: string) => {
      clock.clearTimeout(timer)
      request.destroy()
      reject(new CommandFailure(`error: ${message}`))
    }
    const timer = clock.setTimeout(
      () => fail(`${name} has not answered within ${DEADLINE_MS / 1000} s.`),
      DEADLINE_MS,
    )
    request.on('error', error => fail(failureText(name, error)))
    request.on('response', (response: IncomingMessage) => {
      const refusal = refusalText(response, name, hasToken)
      if (refusal !== undefined) {
        fail(refusal)
        return
      }
      const chunks: Buffer[] = []
      let size = 0
      response.on('error', error => fail(failureText(name, error)))
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        size += chunk.length
        if (size > MAX_ANSWER_BYTES) fail(`The answer of ${name} is longer than ${MAX_ANSWER_BYTES} bytes.`)
      })
      response.on('end', () => {
        clock.clearTimeout(timer)
        resolve(Buffer.concat(chunks).toString())
      })
    })
    request.end()
  })
}

function refusalText({ statusCode }: IncomingMessage, name: string, hasToken: boolean): string | undefined {
  if (statusCode === 200) return undefined
  if (statusCode === 401 || statusCode === 403) {
    return hasToken
      ? `${name} does not take this token.`
      : `${name} asks for a token: give it with --token, or in BYWASH_STATUS_TOKEN.`
  }
  return `${name} answers with ${statusCode}, and not with a status. Write the address of the server's --status.`
}

/** Says in words why a server could not be asked. */
export function failureText(name: string, error: NodeJS.ErrnoException): string {
  if (error.code?.startsWith('HPE_')) {
    return `${name} does not speak HTTP. Write the address of the server's --status, and not that of a listener.`
  }
  return `Cannot ask ${name}: ${printable(systemErrorText(error))}.`
}

function statusesIn(text: string, name: string): readonly Status[] {
  const value = parsed(text)
  const list: readonly unknown[] = Array.isArray(value) ? value : [value]
  const other = list.map(versionOf).find(version => version !== undefined && version !== 1)
  if (other !== undefined) {
    throw new CommandFailure(
      `error: ${name} gives version ${other} of a status, and this bywash reads version 1. Use the bywash of the server.`,
    )
  }
  if (list.every(isStatus)) return list
  throw new CommandFailure(
    `error: What ${name} answers is no status of bywash. Write the address of the server's --status.`,
  )
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
