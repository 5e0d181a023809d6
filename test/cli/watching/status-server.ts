import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'

/** A server of the test with the contract of `--status`. What it answers may be replaced. */
export async function statusServer(
  t: Test,
  answer: () => unknown,
  at: object = { host: '127.0.0.1', port: 0 },
) {
  const requests: { readonly url: string | undefined; readonly authorization: string | undefined }[] = []
  const respond: RequestListener = ({ url, headers }, response) => {
    requests.push({ url, authorization: headers.authorization })
    response.setHeader('content-type', 'application/json').end(JSON.stringify(answer()))
  }
  return { requests, ...(await httpServer(t, respond, at)) }
}

export async function httpServer(
  t: Test,
  respond: RequestListener,
  at: object = { host: '127.0.0.1', port: 0 },
) {
  const server = createServer(respond)
  server.listen(at)
  await once(server, 'listening')
  const close = async () => {
    server.closeAllConnections()
    if (server.listening) await new Promise(resolve => server.close(resolve))
  }
  t.teardown(close)
  const { port } = server.address() as AddressInfo
  return { port, address: `127.0.0.1:${port}`, close }
}
