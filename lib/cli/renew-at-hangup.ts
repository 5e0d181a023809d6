import { readTls, type TlsFiles } from '../config/tls-files.js'
import { InvalidOptionError } from '../errors.js'
import type { Listener } from '../listener.js'
import type { Io } from './main.js'

/** Reads certificates again at each SIGHUP; what is wrong then changes nothing. Returns what ends that. */
export function renewAtHangup(
  listener: Pick<Listener, 'setSecureContext'>,
  files: TlsFiles,
  io: Io,
  log: (line: string) => void,
): () => void {
  const renew = async () => {
    try {
      listener.setSecureContext(await readTls(files, io.cwd()))
      log('The TLS certificate was read again; connections that are open keep theirs')
    } catch (error) {
      if (!(error instanceof InvalidOptionError)) throw error
      io.stderr.write(`The TLS certificate was not renewed, the old one stays: ${error.message}\n`)
    }
  }
  io.on('SIGHUP', renew)
  return () => void io.off('SIGHUP', renew)
}
