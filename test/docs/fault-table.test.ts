import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'

const FOLDER = 'test/faults'

const files = readdirSync(FOLDER).filter(name => name.endsWith('.test.ts'))
const rows = [...readFileSync('docs/reliability.md', 'utf8').matchAll(/^\| (\d+) \|.*\| ([^|]*) ?\|$/gm)].map(
  ([, number, cell = '']) => ({
    number: Number(number),
    tests: [...cell.matchAll(/\]\(\.\.\/test\/faults\/([^)]+)\)/g)].map(([, name]) => name),
  }),
)

t.test(
  'docs/reliability.md has at least the first 30 rows of the fault matrix, and each once, in order',
  async t => {
    const numbers = rows.map(({ number }) => number)
    t.strictSame(
      numbers.slice(0, 30),
      Array.from({ length: 30 }, (_, index) => index + 1),
    )
    t.strictSame(
      numbers,
      [...new Set(numbers)].sort((a, b) => a - b),
    )
  },
)

t.test('each row of the fault table names its tests, and each has one', async t => {
  for (const { number, tests } of rows) {
    t.strictSame(
      tests,
      files.filter(name => Number.parseInt(name, 10) === number),
      `row ${number}`,
    )
    t.ok(tests.length > 0, `row ${number} has a test`)
  }
})

t.test('each test of a fault is titled with the number of its row', async t => {
  for (const name of files) {
    const number = Number.parseInt(name, 10)
    t.match(readFileSync(`${FOLDER}/${name}`, 'utf8'), new RegExp(`['"\`]${number}: `), name)
  }
})
