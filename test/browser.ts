import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Browser, chromium, type Page } from 'playwright-core'
import root, { type Test } from 'tap'

/** The browser of this machine, if it has one. */
const executable = ['chromium', 'chromium-browser', 'google-chrome']
  .flatMap(name => (process.env.PATH ?? '').split(':').map(folder => join(folder, name)))
  .find(path => existsSync(path))

/** The reason for skipping a test where there is no browser; false where there is one. */
export const missingBrowser =
  executable === undefined && 'there is no chromium on PATH: apt-get install chromium'

/** One process for all pages: each takes half a second of processor time. */
const FLAGS = ['--no-sandbox', '--renderer-process-limit=1', '--disable-site-isolation-trials']

let started: Promise<Browser> | undefined

/** Opens a page in the browser, which all tests of a process share, and fails for an error of its scripts. */
export async function openPage(t: Test, options: { bypassCSP?: boolean } = {}): Promise<Page> {
  if (started === undefined) {
    started = chromium.launch({ executablePath: executable as string, args: FLAGS })
    const browser = started
    root.teardown(async () => (await browser).close())
  }
  const page = await (await started).newPage(options)
  t.teardown(() => page.close())
  page.on('pageerror', error => t.fail(String(error)))
  return page
}
