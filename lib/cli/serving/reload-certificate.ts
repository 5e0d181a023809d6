import { readTls, type TlsFiles } from '../../config/tls-files.js'
import type { Listener } from '../../listener/listener.js'
import type { Io } from '../io.js'
import type { Log } from '../log/log.js'

/** Reads the certificate files again. When that fails it is logged, and the listener keeps its old certificate. */
export async function reloadCertificate(
  listener: Pick<Listener, 'setSecureContext'>,
  files: TlsFiles,
  io: Pick<Io, 'cwd'>,
  log: Pick<Log, 'info' | 'warn' | 'error'>,
): Promise<void> {
  try {
    const { tls, warnings } = await readTls(files, io.cwd())
    listener.setSecureContext(tls)
    log.info('The TLS certificate was read again; connections that are open keep theirs')
    warnings.forEach(log.warn)
  } catch (error) {
    log.error(`The TLS certificate was not renewed, the old one stays: ${(error as Error).message}`)
  }
}
