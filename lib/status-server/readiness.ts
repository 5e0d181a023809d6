import type { Status } from '../status/status.js'

/** Why a program is not ready for connections, a line for each reason; undefined when it is ready. */
export function unreadiness(statuses: readonly Status[]): string | undefined {
  if (statuses.length === 0) return 'there is no listener'
  const reasons = statuses
    .filter(({ state }) => state !== 'open')
    .map(
      ({ name, state, connections: { open } }) =>
        `${name} is ${state}${state === 'closed' ? '' : finishing(open)}`,
    )
  return reasons.length === 0 ? undefined : reasons.join('\n')
}

function finishing(open: number): string {
  return open === 1 ? '; 1 connection is open' : `; ${open} connections are open`
}
