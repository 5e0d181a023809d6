import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

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

/** What the descriptors of this process stand for, such as `socket:[4711]`, which no other one is. */
export function descriptors(): readonly string[] {
  return readdirSync('/proc/self/fd').flatMap(number => {
    try {
      return [readlinkSync(`/proc/self/fd/${number}`)]
    } catch {
      // That of the folder itself is closed by now.
      return []
    }
  })
}

/** Resolves once a process has stopped itself, or has ended: SIGCONT before that would be lost. */
export async function untilStopped(pid: number): Promise<void> {
  await until(() => 'TZ'.includes(statusOf(pid)?.state ?? 'Z'))
}

/** Resolves once a process waits for something that does not come, or has ended. */
export async function untilAsleep(pid: number): Promise<void> {
  let looks = 0
  await until(() => {
    const state = statusOf(pid)?.state ?? 'Z'
    looks = state === 'R' ? 0 : looks + 1
    return looks === 50 || state === 'Z'
  })
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
