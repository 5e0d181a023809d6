import { Command } from 'commander'
import t from 'tap'
import { addFlags, valuesFrom } from '../../lib/cli/option-flags.js'
import { boolean, integer } from '../../lib/option.js'

const TABLE = {
  keep: boolean({ help: 'keeps it', default: false }),
  count: integer({ help: 'how many', default: 1, minimum: 1 }),
}

function parse(...argv: string[]) {
  const command = addFlags(new Command().exitOverride().configureOutput({ writeErr: () => {} }), TABLE)
  return valuesFrom(TABLE, command.parse(argv, { from: 'user' }).opts())
}

t.test('what is off by default gets a flag that turns it on', async t => {
  t.match(parse('--keep', '--count', '3'), { keep: true, count: 3 })
})

t.test('a number without an upper end says so', async t => {
  t.throws(() => parse('--count', '0'), { message: /It must be a whole number, 1 or more\.$/ })
})
