import { BindError } from '../../errors.js'
import { showValue } from '../../options/show-value.js'
import type { SystemdDescriptor } from './listen-address.js'

/** Number of the first descriptor that systemd hands over; the others follow it. */
const FIRST_DESCRIPTOR = 3
/** More than any service is handed; a number beyond it is a mistake, and would take long to count. */
const MAX_DESCRIPTORS = 4_096
const VARIABLES = ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES', 'LISTEN_PIDFDID']

/** Names of the descriptors that systemd has handed over and no listener has taken yet, by their number. */
const available = new Map<number, string>()

/**
 * Returns the number of a descriptor. Each of systemd's is handed out only once: when its listener has closed it, its
 * number may come to mean another file, which a second listener would take for a socket and close.
 *
 * @throws BindError when systemd did not hand over such a descriptor.
 */
export function takeDescriptor(
  wanted: number | SystemdDescriptor,
  environment: NodeJS.ProcessEnv = process.env,
): number {
  if (typeof wanted === 'number') return wanted
  readEnvironment(environment)
  const [, name] = wanted.split(/:(.*)/s)
  const found = [...available].filter(([, other]) => name === undefined || other === name)
  const [first] = found
  if (first === undefined || found.length > 1) throw new BindError(`bind failed: ${refusal(name)}`)
  available.delete(first[0])
  return first[0]
}

function refusal(name: string | undefined): string {
  const names = [...available.values()].join(', ')
  if (available.size === 0) {
    return 'systemd has handed over no descriptor (LISTEN_FDS); start this program from a socket unit'
  }
  return name === undefined
    ? `systemd has handed over several descriptors; choose one of systemd:${names.replaceAll(', ', ', systemd:')}`
    : `systemd has not handed over exactly one descriptor named ${name}; there are ${names}`
}

/** Reads systemd's variables and deletes them, since the descriptors are not for child processes. */
function readEnvironment(environment: NodeJS.ProcessEnv): void {
  const { LISTEN_PID: pid, LISTEN_FDS: count, LISTEN_FDNAMES: names } = environment
  if (pid === undefined || count === undefined) return
  if (Number(pid) !== process.pid) {
    throw new BindError(
      `bind failed: systemd's descriptors are for process ${pid}, and this is ${process.pid}; ` +
        'start node itself in the unit, and not through npm or a shell',
    )
  }
  for (const name of VARIABLES) delete environment[name]
  if (!/^\d+$/.test(count) || Number(count) > MAX_DESCRIPTORS) {
    throw new BindError(
      `bind failed: LISTEN_FDS is ${showValue(count)}; it is how many descriptors systemd hands over, up to ${MAX_DESCRIPTORS}`,
    )
  }
  const given = names?.split(':') ?? []
  for (let index = 0; index < Number(count); index++) {
    available.set(FIRST_DESCRIPTOR + index, given[index] || 'unknown')
  }
}
