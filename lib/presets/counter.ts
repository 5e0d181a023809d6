import { formatAddress } from '../address.js'
import { counter as count } from '../stages/control/counter.js'
import { echo } from './echo.js'
import type { Preset } from './preset.js'

/** Sends back the exact bytes, and logs a line for each client that comes and goes. */
export const counter: Preset = {
  ...echo,
  name: 'counter',
  summary: 'send back the exact bytes, and log each client that comes and goes',
  pipeline: ({ log = () => {} } = {}) =>
    echo.pipeline().through(
      count({
        onOpen: ({ number }, { remoteAddress, remotePort }) =>
          log(`[conn #${number}] new client from ${formatAddress(remoteAddress, remotePort)}`),
        onClose: ({ total }) => log(`[server] client disconnected (total served: ${total})`),
      }),
    ),
}
