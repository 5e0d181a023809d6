import t from 'tap'
import { parseAddress } from '../lib/address.js'

t.test('an address is read as people write it', async t => {
  for (const [text, expected] of [
    ['127.0.0.1:80', { host: '127.0.0.1', port: 80 }],
    ['[::1]:65535', { host: '::1', port: 65_535 }],
    ['example.org:8080', { host: 'example.org', port: 8080 }],
    [':8080', { host: 'localhost', port: 8080 }],
    ['::1:80', undefined],
    ['localhost', undefined],
    ['localhost:0', undefined],
    ['localhost:65536', undefined],
    ['', undefined],
  ] as const) {
    t.strictSame(parseAddress(text), expected, text)
  }
})
