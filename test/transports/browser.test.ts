import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { lines, pipeline, toLines, uppercase, welcome } from '../../lib/index.js'
import type { WebSocketOptions } from '../../lib/listener/websocket/websocket-options.js'
import { openPage, missingBrowser as skip } from '../browser.js'
import { serveLocally } from '../listener/local-listener.js'

const shout = pipeline()
  .through(lines({ maxLength: 4096 }))
  .through(uppercase())
  .through(toLines())
  .through(welcome('Type a line.\n'))

/** Connects a script of a page, sends messages, and closes; resolves with what it has seen. */
function talk(page: Page, port: number, messages: readonly string[]) {
  return page.evaluate(
    ({ port, messages }) =>
      new Promise<{ received: string[]; code: number; wasClean: boolean }>(resolve => {
        const received: string[] = []
        const socket = new WebSocket(`ws://127.0.0.1:${port}/`)
        socket.onopen = () => {
          for (const message of messages) socket.send(message)
        }
        socket.onmessage = ({ data }) => {
          if (received.push(data) === messages.length + 1) socket.close(1000)
        }
        socket.onclose = ({ code, wasClean }) => resolve({ received, code, wasClean })
      }),
    { port, messages },
  )
}

const serve = (t: Test, websocket: WebSocketOptions = {}) =>
  serveLocally(t, shout, { websocket: { page: true, ...websocket } })

t.test(
  'the page is a client: it sends what is typed, shows what comes, and says how it ended',
  { skip },
  async t => {
    const { port, listener, ended } = await serve(t)
    const page = await openPage(t)
    await page.goto(`http://127.0.0.1:${port}/`)
    await page.getByRole('status').filter({ hasText: 'connected' }).waitFor()
    const input = page.getByLabel('Message', { exact: true })
    for (const text of ['hello', 'grüß <b>dich</b>']) {
      await input.fill(text)
      await input.press('Enter')
      await page
        .locator('.received', { hasText: text.replace(/[a-z]/g, letter => letter.toUpperCase()) })
        .waitFor()
    }
    t.strictSame(await page.locator('li').allTextContents(), [
      'Type a line.',
      'hello',
      'HELLO',
      'grüß <b>dich</b>',
      'GRüß <B>DICH</B>',
    ])
    await input.fill('x'.repeat(4097))
    await input.press('Enter')
    await page.locator('.note', { hasText: 'closed with code 1009' }).waitFor()
    t.equal(await page.locator('.received').last().textContent(), 'error: line is longer than 4096 bytes')
    await page.getByRole('button', { name: 'Connect' }).click()
    await page.getByRole('status').filter({ hasText: 'connected' }).waitFor()
    const closed = listener.close()
    await page.locator('.note', { hasText: 'closed with code 1001' }).waitFor()
    t.strictSame(await closed, { forced: 0 })
    t.strictSame(
      (await ended(3)).map(({ reason }) => reason),
      ['end', 'frame-too-long', 'shutdown'],
    )
  },
)

t.test('a script of the same origin is served, and the close is clean', { skip }, async t => {
  const { port, ended } = await serve(t)
  const page = await openPage(t)
  await page.goto(`http://127.0.0.1:${port}/`)
  const answers = await talk(page, port, ['one', '', 'two'])
  t.strictSame(answers, { received: ['Type a line.', 'ONE', '', 'TWO'], code: 1000, wasClean: true })
  t.ok((await ended(2)).every(({ reason }) => reason === 'end'))
})

t.test('the script of another page is refused, unless its origin is listed', { skip }, async t => {
  const [own, other] = [await serve(t), await serve(t)]
  // The page of another origin may connect to anything, but for its own policy.
  const page = await openPage(t, { bypassCSP: true })
  await page.goto(`http://127.0.0.1:${other.port}/`)
  t.match(await talk(page, own.port, ['a']), { received: [], code: 1006, wasClean: false })
  t.match((await own.ended(1))[0], { reason: 'refused', error: { message: /may not connect/ } })
  const listed = await serve(t, { origins: [`http://127.0.0.1:${other.port}`] })
  t.match(await talk(page, listed.port, ['a']), { received: ['Type a line.', 'A'], code: 1000 })
})
