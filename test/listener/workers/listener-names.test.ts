import t from 'tap'
import { freeName, takeName } from '../../../lib/listener/workers/listener-names.js'

t.test(
  'listeners are named alike in every process, and a second one on the same address by its number',
  async t => {
    const address = { host: '127.0.0.1', port: 0, backlog: 1 }
    const [one, two, other] = [takeName(address), takeName(address), takeName({ ...address, port: 1 })]
    t.equal(new Set([one, two, other]).size, 3)
    t.equal(freeName(one), false)
    t.equal(takeName(address), one, 'a name that is free is taken again')
    t.equal(freeName(two), false)
    t.equal(freeName(other), false)
    t.equal(freeName(one), true, 'the last')
  },
)
