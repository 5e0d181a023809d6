import type { Log } from './log.js'

/**
 * Logs the warnings of the process, which Node would print as lines of its own, whatever the format of the log. Returns a
 * function that lets Node print them again. Where Node was told to print none (`--no-warnings`), none is logged.
 */
export function logProcessWarnings(log: Pick<Log, 'warn'>): () => void {
  const nodes = process.listeners('warning').filter(({ name }) => name === 'onWarning')
  const onWarning = ({ name, message }: Error) => log.warn(`${name}: ${message}`)
  for (const listener of nodes) process.off('warning', listener)
  if (nodes.length > 0) process.on('warning', onWarning)
  return () => {
    process.off('warning', onWarning)
    for (const listener of nodes) process.on('warning', listener)
  }
}
