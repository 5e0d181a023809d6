import { readdirSync, readFileSync } from 'node:fs'

/** Resolves once something holds. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(resolve => setTimeout(resolve, 1))
}

/** Whether a process runs, and is no zombie that its parent does not ask for. */
export function isAlive(pid: number): boolean {
  return 'RSDT'.includes(statusOf(pid)?.state ?? 'Z')
}

/** The processes that this one has started, zombies included. */
export function childrenOf(parent = process.pid): readonly number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter(pid => statusOf(pid)?.parent === parent)
}

/** The number of descriptors of this process. */
export function descriptors(): number {
  return readdirSync('/proc/self/fd').length
}

function statusOf(pid: number): { readonly state: string; readonly parent: number } | undefined {
  try {
    const [, state = '', parent] = /\) (\w) (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? []
    return { state, parent: Number(parent) }
  } catch {
    // Gone, or no process.
    return undefined
  }
}
