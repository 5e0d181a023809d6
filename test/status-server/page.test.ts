import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import type { Status } from '../../lib/index.js'
import { PAGE } from '../../lib/status-server/page/page.js'
import { readUplot } from '../../lib/status-server/uplot-files.js'
import { openPage, missingBrowser as skip } from '../browser.js'
import { sampleStatus, sampleStatuses } from '../status/sample-status.js'
import { openStatus } from './status-client.js'

/** Opens the page, and fails for what its policy has to stop. */
async function open(t: Test, url: string): Promise<Page> {
  const page = await openPage(t)
  page.on('console', message => {
    if (/Content Security Policy/.test(message.text())) t.fail(message.text())
  })
  page.on('request', request => t.ok(request.url().startsWith(url), `from nowhere else: ${request.url()}`))
  await page.goto(url)
  return page
}

const said = (page: Page, text: string) => page.locator('#live', { hasText: text }).waitFor()

t.test('the page and its curves are less than 150 KB', async t => {
  const sizes = await Promise.all(['uPlot.iife.min.js', 'uPlot.min.css'].map(name => readUplot(name)))
  const all = sizes.reduce((sum, file) => sum + file.length, Buffer.byteLength(PAGE))
  t.ok(all < 150_000, `${all} bytes`)
})

t.test('the page shows what a status says, and what changes', { skip }, async t => {
  let open7000 = 1307
  const statuses = () => {
    const [first, ...others] = sampleStatuses()
    return [
      { ...(first as Status), connections: { open: open7000, handshaking: 2, limit: 10_000 } },
      ...others,
    ]
  }
  const sources = [0, 1, 2].map(index => ({ status: async () => statuses()[index] as Status }))
  const { url } = await openStatus(t, sources)
  const page = await open(t, url)
  await said(page, 'live')
  t.equal(await page.locator('#verdict strong').textContent(), "Stage 'lookup' is busy 93 % of the time")
  t.equal(await page.locator('#verdict').getAttribute('class'), 'warn')
  t.strictSame(await page.locator('#stages b').allTextContents(), [
    'gunzip',
    'lines | trim | grep',
    'lookup',
    'broadcast',
    'to-lines',
    'throttle',
  ])
  t.equal(await page.locator('#stages li.culprit b').textContent(), 'lookup')
  t.equal(
    await page.locator('#stages li').first().locator('.bar').getAttribute('aria-label'),
    '2\u00a0%\u00a0busy, 90\u00a0%\u00a0blocked, 8\u00a0%\u00a0starved',
  )
  t.equal(await page.locator('#connections tbody tr').count(), 9)
  t.match(
    await page.locator('#connections tbody tr').first().textContent(),
    '10.0.0.42:40042the client does not read41 s',
  )
  t.equal(await page.locator('canvas').count(), 3)
  t.match(await page.locator('#ends').textContent(), /end48,003799.*refused: max-connections1202/)
  t.match(await page.locator('#numbers').textContent(), 'open connections1,307of 10,000 · 2 in handshake')
  open7000 = 42
  await page.locator('#numbers', { hasText: 'open connections42' }).waitFor()

  // By the keyboard.
  await page.keyboard.press('ArrowRight')
  await page.locator('#verdict', { hasText: '/run/shout.sock' }).waitFor()
  t.equal(await page.locator('#connections').isVisible(), false)
  await page.keyboard.press('ArrowLeft')
  await page.keyboard.press('ArrowLeft')
  t.match(await page.locator('#verdict').textContent(), /Failures · \[::\]:7443.*Worker 3 is dead/)
  t.equal(await page.locator('#workers tbody tr').count(), 3)
  await page.locator('#listeners button').first().focus()
  await page.keyboard.press('Enter')
  await page.locator('#largest').focus()
  await page.keyboard.press('Space')
  t.equal(await page.locator('#connections tbody tr').count(), 3)
  t.equal(await page.locator('#largest').getAttribute('aria-pressed'), 'true')
  t.equal(await page.evaluate<string>('document.activeElement.id'), 'largest', 'focus stays where it is')
  await page.keyboard.press('p')
  await said(page, 'paused')
  open7000 = 43
  await page.keyboard.press('p')
  await page.locator('#numbers', { hasText: 'open connections43' }).waitFor()
})

t.test('nothing of a name, an address or an error becomes a part of the page', { skip }, async t => {
  const evil = '<img src=x onerror="document.title=\'owned\'"><script>document.title="owned"</script>'
  const status = sampleStatus()
  const culprit = { kind: 'stage', stage: 0, text: evil } as const
  const listener = {
    ...status,
    name: evil,
    culprit,
    stages: status.stages.map(stage => ({ ...stage, name: evil, runs: evil })),
    slowest: status.slowest.map(each => ({ ...each, address: evil, waitsFor: culprit })),
    hubs: status.hubs.map(hub => ({ ...hub, name: evil })),
    upstreams: status.upstreams.map(each => ({ ...each, address: evil, lastFailure: evil })),
  }
  const { url } = await openStatus(t, { status: async () => listener })
  const page = await open(t, url)
  await said(page, 'live')
  t.equal(await page.locator('img').count(), 0)
  t.equal(await page.locator('body script').count(), 2)
  t.equal(await page.locator('#stages b').first().textContent(), evil)
  t.match(await page.locator('#upstreams').textContent(), evil)
  t.match(await page.title(), 'Look here')
})

t.test('the page goes on when the server has been started again', { skip }, async t => {
  const first = await openStatus(t, { status: async () => sampleStatus() })
  const page = await open(t, first.url)
  await said(page, 'live')
  await first.close()
  await said(page, 'not connected, trying again')
  const again = sampleStatus({
    startedAt: Date.now(),
    culprit: { kind: 'input', stage: null, text: 'nothing comes' },
  })
  await openStatus(t, { status: async () => again }, { port: first.address.port })
  await said(page, 'live')
  await page.locator('#verdict', { hasText: 'Nothing comes' }).waitFor()
})

t.test('the page asks for the token, and keeps it for this tab', { skip }, async t => {
  const token = 'a-token-of-24-characters'
  const { url } = await openStatus(t, { status: async () => sampleStatus() }, { port: 0, token })
  const page = await open(t, url)
  const input = page.getByLabel('This server asks for its token.')
  await input.fill('wrong')
  await input.press('Enter')
  await input.fill(token)
  await input.press('Enter')
  await said(page, 'live')
  t.equal(await input.isVisible(), false)
  await page.reload()
  await said(page, 'live')
})

t.test('nothing is wider than the screen, in dark and light', { skip }, async t => {
  const sources = sampleStatuses().map(status => ({ status: async () => status }))
  const { url } = await openStatus(t, sources)
  const page = await open(t, url)
  for (const width of [320, 768, 1920]) {
    await page.setViewportSize({ width, height: 800 })
    await page.reload()
    await said(page, 'live')
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme })
      const scroll = await page.evaluate<number>('document.documentElement.scrollWidth')
      t.equal(scroll, width, `${colorScheme} at ${width} px`)
      const ground = await page.evaluate<string>('getComputedStyle(document.body).backgroundColor')
      t.equal(ground, colorScheme === 'dark' ? 'rgb(15, 20, 25)' : 'rgb(244, 246, 248)')
    }
  }
})
