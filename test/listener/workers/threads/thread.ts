import { hub } from '../../../../lib/index.js'
import { bindWorkers } from '../../../../lib/listener/workers/bind-workers.js'
import { ownWorker } from '../../../../lib/listener/workers/defined-listeners.js'
import { localSettings } from './local-settings.js'

// The script of a thread, whose primary is a test. With `reusePort` left out it serves alone on its port, in every Node.

const [way, ...ports] = process.argv.slice(2)
if (way === 'fail') process.exit(7)
if (way === 'throw') throw new RangeError(`nothing good in ${ownWorker()?.number}`)
if (way === 'fill') fill({})
/** Fills the heap in steps, since V8 ends the whole process where a single loop does. */
function fill(leaked: object): void {
  let last = leaked
  for (let count = 0; count < 10_000; count++) last = { last }
  setImmediate(fill, last)
}

const spread = way === 'primary' ? 'primary' : 'kernel'
await Promise.all(
  ports.map((port, index) => {
    const local = localSettings({ host: '127.0.0.1', port: Number(port) })
    // Of a listener that its primary defines, a worker is told the name.
    const workers = index === 0 ? undefined : { name: JSON.stringify(local.settings.bind) }
    return bindWorkers({ ...local, workers }, { count: 1, spread }, () => Promise.reject())
  }),
)
if (way === 'publish') hub({ name: 'room' }).publish('hello')
