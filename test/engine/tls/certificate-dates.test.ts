import { X509Certificate } from 'node:crypto'
import t from 'tap'
import { dateProblems } from '../../../lib/engine/tls/certificate-dates.js'
import { pem } from '../../transports/certificates.js'

const EXPIRED = '(CN=expired) has expired: it was valid until 2020-01-02T00:00:00.000Z; renew it'

t.test('says which certificates have expired, in a chain and of authorities', async t => {
  t.strictSame(dateProblems({ cert: pem('server') }), [])
  t.strictSame(dateProblems({ cert: pem('expired') }), [`'cert' ${EXPIRED}`])
  t.strictSame(dateProblems({ cert: new X509Certificate(pem('expired')).raw }), [`'cert' ${EXPIRED}`])
  t.strictSame(dateProblems({ cert: `${pem('server')}\n${pem('expired')}` }), [`'cert' ${EXPIRED}`])
  t.strictSame(
    dateProblems({
      cert: [pem('server'), Buffer.from(pem('expired'))],
      ca: [pem('authority'), pem('expired')],
    }),
    [`'cert' ${EXPIRED}`, `'ca' ${EXPIRED}`],
  )
})

t.test('says which are not valid yet', async t => {
  t.strictSame(dateProblems({ cert: pem('server') }, Date.UTC(2019, 1)), [
    "'cert' (CN=server) is not valid before 2020-01-01T00:00:00.000Z; look at the clock too",
  ])
})
