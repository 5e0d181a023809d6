import t from 'tap'
import { bywash } from './command.js'
import { underFault } from './oracle.js'

const ONE_LINE = /^[^\n]+\n$/
const isRoot = process.getuid?.() === 0

t.test('28: port in use, privileged, `-1`, `65536`, `abc`, bad host', t =>
  underFault(t, { pipeline: 'lines', reasons: {} }, async ({ port }) => {
    const runs: [string[], number, RegExp][] = [
      [['--host', '127.0.0.1', '--port', String(port)], 1, /already in use/],
      [['--host', '192.0.2.1'], 1, /192\.0\.2\.1 is not an address of this machine/],
      [['--host', 'no-such-host.invalid'], 1, /there is no host named no-such-host\.invalid/],
      [['--port', '-1'], 2, /port/],
      [['--port', '65536'], 2, /port.*65535/],
      [['--port', 'abc'], 2, /port.*abc/],
    ]
    if (!isRoot && process.platform === 'linux') {
      runs.push([['--host', '127.0.0.1', '--port', '1'], 1, /no permission .* choose a port from 1024 up/])
    }
    await Promise.all(
      runs.map(async ([flags, code, message]) => {
        const { exit, printed } = bywash(t, 'echo', ...flags)
        const name = flags.join(' ')
        t.equal(await exit, code, name)
        const text = await printed
        t.match(text, message, name)
        t.notMatch(text, /\n {4}at /, `${name}: no stack trace`)
        if (code === 1) t.match(text, ONE_LINE, name)
      }),
    )
  }),
)
