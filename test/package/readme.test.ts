import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import t from 'tap'

const readme = readFileSync('README.md', 'utf8')

t.test('every file that the README links to is in the package', async t => {
  const listed = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const files: string[] = JSON.parse(listed)[0].files.map(({ path }: { path: string }) => path)
  const links = [...readme.matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, link = '']) =>
    link.replace(/\/$/, ''),
  )
  t.ok(links.length > 20, 'there are some')
  for (const link of links) {
    t.ok(
      files.some(file => file === link || file.startsWith(`${link}/`)),
      link,
    )
  }
})

t.test('the README shows what explain prints', async t => {
  const [, command = '', shown] = /^\$ npx bywash explain '([^\n]*)'\n(.*?)^```$/ms.exec(readme) ?? []
  const printed = execFileSync(process.execPath, ['dist/cli/bin.js', 'explain', command], {
    encoding: 'utf8',
    env: { ...process.env, NODE_V8_COVERAGE: undefined },
  })
  t.equal(printed, shown)
})
