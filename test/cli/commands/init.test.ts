import { readFileSync, readlinkSync, symlinkSync } from 'node:fs'
import t from 'tap'
import { parse } from 'yaml'
import { FIRST_FILE } from '../../../lib/cli/commands/init.js'
import { runCommand } from '../run-command.js'

t.test('init writes a file and prints the next commands, and check and test pass', async t => {
  const path = `${t.testdir()}/bywash.yaml`
  t.strictSame(await runCommand(['init', path]), {
    exitCode: 0,
    printed: `${path} is written. Test it, and then serve it:\n  $ bywash test ${path}\n  $ bywash serve ${path}\n`,
    logged: '',
  })
  t.equal(readFileSync(path, 'utf8'), FIRST_FILE)
  t.match(await runCommand(['check', path]), {
    exitCode: 0,
    printed: /^[^\n]*: memory: [^\n]*\n$/,
    logged: '',
  })
  t.match(await runCommand(['test', path]), {
    exitCode: 0,
    printed: /^ok {3}shouts \(\d+ runs\)\n1 test passed\.\n$/,
  })
})

t.test('init writes JSON to a file that is named so, with the same content', async t => {
  const path = `${t.testdir()}/conf.JSON`
  t.match(await runCommand(['init', path]), { exitCode: 0 })
  const { $schema, ...content } = JSON.parse(readFileSync(path, 'utf8'))
  t.ok(FIRST_FILE.includes(`$schema=${$schema}\n`))
  t.strictSame(content, parse(FIRST_FILE))
  t.match(await runCommand(['check', path]), {
    exitCode: 0,
    printed: /^[^\n]*: memory: [^\n]*\n$/,
    logged: '',
  })
  t.match(await runCommand(['test', path]), { exitCode: 0, printed: '1 test passed.' })
})

t.test('init leaves what is there as it is, says so in one line, and exits 1', async t => {
  const folder = t.testdir({ 'bywash.yaml': 'mine' })
  const path = `${folder}/bywash.yaml`
  t.strictSame(await runCommand(['init', path]), {
    exitCode: 1,
    printed: '',
    logged: `${path} was not written: it is there already. Name another file, or overwrite it with --force.\n`,
  })
  t.equal(readFileSync(path, 'utf8'), 'mine')
  symlinkSync('nowhere', `${folder}/link.yaml`)
  t.match(await runCommand(['init', `${folder}/link.yaml`]), { exitCode: 1 }, 'also a link without a target')
  t.equal(readlinkSync(`${folder}/link.yaml`), 'nowhere')
})

t.test('init --force overwrites', async t => {
  const folder = t.testdir({ 'bywash.yaml': 'mine' })
  t.match(await runCommand(['init', `${folder}/bywash.yaml`, '--force']), { exitCode: 0 })
  t.equal(readFileSync(`${folder}/bywash.yaml`, 'utf8'), FIRST_FILE)
})

t.test('init says in one line why it cannot write', async t => {
  const path = `${t.testdir()}/none/bywash.yaml`
  t.strictSame(await runCommand(['init', path]), {
    exitCode: 1,
    printed: '',
    logged: `${path} was not written: no such file or directory.\n`,
  })
})

t.test('init names bywash.yaml unless told otherwise, with what the file is for in comments', async t => {
  const { printed } = await runCommand(['init', '--help'])
  t.match(
    printed.replace(/\s+/g, ' '),
    /what to write; JSON where its name ends in \.json \(default: "bywash\.yaml"\)/,
  )
  for (const word of ['listen:', 'pipeline:', 'tests:', 'bywash stages', 'bywash presets', 'bywash test']) {
    t.ok(FIRST_FILE.includes(word), word)
  }
})
