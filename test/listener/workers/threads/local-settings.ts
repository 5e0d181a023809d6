import { connectionSettings } from '../../../../lib/engine/connection-options.js'
import { Handshakes } from '../../../../lib/engine/tls/handshakes.js'
import { type ListenOptions, pipeline } from '../../../../lib/index.js'
import { listenSettings } from '../../../../lib/listener/listen-options.js'
import { planOf } from '../../../../lib/pipeline.js'

/** The settings of a listener that echoes, as `listen()` makes them. It refuses threads where Node cannot have them. */
export function localSettings(options: ListenOptions) {
  const settings = listenSettings(options)
  return {
    plan: planOf(pipeline(), 'listen()', 'fused'),
    settings,
    connections: connectionSettings('listen()', options),
    handshakes: settings.tls && new Handshakes('tls', settings.tls),
    upgrades: undefined,
  }
}
