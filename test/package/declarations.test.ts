import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'

const OPTION = /^\s+(\w+): import\("[^"]*option\.js"\)\.Option</

t.test('an editor shows the help of every option', t => {
  let options = 0
  const bare: string[] = []
  for (const name of readdirSync('dist', { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.d.ts')) continue
    const lines = readFileSync(`dist/${name}`, 'utf8').split('\n')
    for (const [index, line] of lines.entries()) {
      const [, option] = OPTION.exec(line) ?? []
      if (option === undefined) continue
      options++
      if (!lines[index - 1]?.trim().startsWith('/**')) bare.push(`${name}: ${option}`)
    }
  }
  t.ok(options > 40, 'there are some')
  t.strictSame(bare, [])
  t.end()
})
