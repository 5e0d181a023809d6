import stringWidth from 'string-width'
import t from 'tap'
import { table } from '../../../lib/cli/terminal/table.js'

t.test('what is too long for the last column goes on below itself', async t => {
  t.equal(
    table(
      [
        ['NAME', 'KIND', ''],
        ['lines', 'bytes', 'cuts bytes into lines of text'],
        ['x', '', ''],
      ],
      34,
    ),
    'NAME   KIND\nlines  bytes  cuts bytes into\n              lines of text\nx',
  )
})

t.test('where there is no room for the last column it stands below', async t => {
  t.equal(table([['lines', 'cuts bytes into lines']], 20), 'lines\n  cuts bytes into\n  lines')
})

t.test('counts the columns that letters take, and not the letters', async t => {
  const text = table(
    [
      ['名前', '日本 日本 日本 日本 日本 日本'],
      ['x', 'y'],
    ],
    30,
  )
  for (const line of text.split('\n')) t.ok(stringWidth(line) <= 30, line)
  t.match(text, /^x {5}y$/m)
})

t.test('no rows are no lines', async t => {
  t.equal(table([], 80), '')
})
