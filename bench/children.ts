import { type ChildProcess, spawn } from 'node:child_process'

const running = new Set<ChildProcess>()

/** Starts a child process, which stopChildren() kills. It leads a process group, so that its own children die too. */
export function startChild(
  command: readonly string[],
  ipc: boolean,
  env: Readonly<Record<string, string>> = {},
): ChildProcess {
  const [program = '', ...rest] = command
  const child = spawn(program, rest, {
    detached: true,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit', ...(ipc ? (['ipc'] as const) : [])],
  })
  running.add(child)
  child.once('exit', () => running.delete(child))
  child.on('error', () => running.delete(child))
  return child
}

/** Kills a process that `startChild` has started, with all processes that it has forked. */
export function stopChild(child: ChildProcess): void {
  running.delete(child)
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch {
    // The process has ended already.
  }
}

/** Kills all processes that `startChild` has started. */
export function stopChildren(): void {
  for (const child of running) stopChild(child)
}
