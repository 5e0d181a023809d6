import { readFileSync } from 'node:fs'
import t from 'tap'
import { cliDocs } from '../../.ci/cli-docs.js'
import { COMMANDS, presetCommands } from '../../lib/cli/commands.js'
import { runCommand } from '../cli/run-command.js'

const page = readFileSync('docs/cli.md', 'utf8')

t.test('docs/cli.md has the --help of every command as it is (npm run docs)', async t => {
  for (const { name } of [...(await presetCommands()), ...COMMANDS]) {
    t.ok(page.includes(`\n$ bywash ${name} --help\n`), name)
  }
  t.equal(await cliDocs(page), page)
})

t.test('docs/cli.md shows what the other commands print', async t => {
  const shown = [...page.matchAll(/^\$ bywash (\w+) '([^'\n]*)'\n(.*?)^```$/gms)]
  t.equal(shown.length, 2)
  for (const [, command = '', text = '', output] of shown) {
    const { printed, logged } = await runCommand([command, text])
    t.equal(printed + logged, output)
  }
})
