import { readTls, type TlsFiles } from '../../config/tls-files.js'
import type { Listener } from '../../listener/listener.js'
import type { Io } from '../io.js'
import type { Log } from '../log/log.js'

/**
 * Reads the certificate files again at each SIGHUP. When that fails it is logged, and the listener keeps its old
 * certificate. Returns a function that stops listening for the signal.
 */
export function reloadCertificateOnSighup(
  listener: Pick<Listener, 'setSecureContext'>,
  files: TlsFiles,
  io: Io,
  log: Pick<Log, 'info' | 'warn' | 'error'>,
): () => void {
  const reload = async () => {
    try {
      const { tls, warnings } = await readTls(files, io.cwd())
      listener.setSecureContext(tls)
      log.info('The TLS certificate was read again; connections that are open keep theirs')
      warnings.forEach(log.warn)
    } catch (error) {
      log.error(`The TLS certificate was not renewed, the old one stays: ${(error as Error).message}`)
    }
  }
  io.on('SIGHUP', reload)
  return () => void io.off('SIGHUP', reload)
}
