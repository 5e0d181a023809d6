import { formatAddress } from '../address.js'
import { callback } from '../options/option.js'
import { pipeline } from '../pipeline.js'
import { counter as count } from '../stages/control/counter.js'
import { echo } from './echo.js'
import { preset } from './preset.js'

/** Sends back the exact bytes, and logs a line for each client that comes and goes. */
export const counter = preset({
  name: 'counter',
  summary: 'send back the exact bytes, and log each client that comes and goes',
  title: echo.title,
  trial: echo.trial,
  options: { log: callback<(line: string) => void>({ help: 'gets each line', inCode: '(line) => void' }) },
  make: ({ log = () => {} }) =>
    pipeline().through(
      count({
        onOpen: ({ number }, { remoteAddress, remotePort }) =>
          log(`[conn #${number}] new client from ${formatAddress(remoteAddress, remotePort)}`),
        onClose: ({ total }) => log(`[server] client disconnected (total served: ${total})`),
      }),
    ),
})
