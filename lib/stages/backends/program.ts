import type { ChildProcess, ChildProcessWithoutNullStreams } from 'node:child_process'
import type { Clock, Timer } from '../../clock.js'
import { OPEN_FILES } from '../../open-files.js'
import type { SideWrite, SideWrites } from '../../side-writes.js'

/** The end of a program. */
export interface Exit {
  readonly exitCode: number | undefined
  readonly signal: NodeJS.Signals | undefined
}

/** The listener to the events of a program. */
export interface ProgramOwner {
  /** It could not be started. */
  readonly failed: (cause: NodeJS.ErrnoException) => void
  /** It has ended; what it has written may not be read yet. */
  readonly exited: (exit: Exit) => void
  /** Neither it nor a process that it has started runs any more, as far as its process group shows. */
  readonly gone: () => void
}

/** The time between two looks at what is left of a group. */
const LOOK_MS = 100

/** `spawn` of node:child_process. */
export type Spawn = typeof import('node:child_process').spawn

let loading: Promise<Spawn> | undefined

/** Loads `node:child_process` where it is used, since that takes long. */
export function loadSpawn(): Promise<Spawn> {
  loading ??= import('node:child_process').then(({ spawn }) => spawn)
  return loading
}

/** The variables of ucspi-tcp. Inherited ones are those of another connection. */
const ENDPOINT_VARIABLES = /^(?:PROTO|TCP(?:REMOTE|LOCAL)(?:IP|PORT|HOST|INFO))$/

/** Variables of the environment, by name; one that is undefined is left out. */
export type Variables = Readonly<Record<string, string | number | undefined>>

/** The variables of a program: those of this process, with those of its connection. */
export function environmentOf(own: Variables): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !ENDPOINT_VARIABLES.test(name))
  const given = Object.entries(own).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, `${value}`]],
  )
  return Object.fromEntries([...kept, ...given])
}

/**
 * A program in a process group of its own, so that signals reach what it starts too. After SIGTERM it has a grace, and then is
 * sent SIGKILL. What has left the group (`setsid`, a daemon) is out of reach.
 */
export class Program implements SideWrite {
  readonly #child: ChildProcess
  readonly #owner: ProgramOwner
  readonly #sideWrites: SideWrites
  readonly #clock: Clock
  readonly #grace: number
  /** Whether it runs, or has ended and left others in its group, or nobody is left. */
  #state: 'running' | 'leaving' | 'gone' = 'running'
  #isKilled = false
  /** The moment at which it is killed, on the clock; Infinity before it is stopped. */
  #deadline = Infinity
  #timer: Timer

  /** Starts it. Throws where the system does not even try. */
  constructor(
    spawn: Spawn,
    [command, ...args]: readonly [string, ...string[]],
    env: NodeJS.ProcessEnv,
    {
      owner,
      sideWrites,
      clock,
      grace,
    }: {
      readonly owner: ProgramOwner
      readonly sideWrites: SideWrites
      readonly clock: Clock
      /** Milliseconds between SIGTERM and SIGKILL. */
      readonly grace: number
    },
  ) {
    this.#owner = owner
    this.#sideWrites = sideWrites
    this.#clock = clock
    this.#grace = grace
    this.#child = spawn(command, args, { env, stdio: 'pipe', detached: true, windowsHide: true })
      .on('error', cause => this.#failed(cause))
      .on('exit', (code, signal) => this.#exited(code, signal))
    for (const stream of this.#pipes) {
      OPEN_FILES.hold()
      stream.once('close', () => OPEN_FILES.release()).on('error', () => {})
    }
  }

  /** Its streams; undefined where it could not be started, of which `failed` is told. */
  get streams(): ChildProcessWithoutNullStreams | undefined {
    return this.#child.pid === undefined ? undefined : (this.#child as ChildProcessWithoutNullStreams)
  }

  get #pipes() {
    const { streams } = this
    return streams === undefined ? [] : [streams.stdin, streams.stdout, streams.stderr]
  }

  /** Stops the program and its group: with SIGTERM, and with SIGKILL after the grace. Its output is not read any more. */
  stop(): void {
    if (this.#state !== 'gone') {
      this.#sideWrites.add(this)
      // It hears of the signal before it hears that the input has ended: half a request must not look complete.
      this.#signal('SIGTERM')
      this.#deadline = this.#clock.now() + this.#grace
      this.#awaitGroup()
    }
    for (const stream of this.#pipes) stream.destroy()
  }

  giveUp(): void {
    this.#kill()
    // A process that waits for a broken disk does not even hear of SIGKILL.
    this.#sideWrites.delete(this)
  }

  /** Looks again and again until no process of the group is left, which no event tells, and kills it at its deadline. */
  #awaitGroup(): void {
    this.#clock.clearTimeout(this.#timer)
    const left = this.#deadline - this.#clock.now()
    if (this.#state === 'leaving' && !this.#signal(0)) this.#gone()
    else if (left <= 0) this.#kill()
    else this.#timer = this.#clock.setTimeout(() => this.#awaitGroup(), Math.min(left, LOOK_MS))
  }

  #kill(): void {
    this.#isKilled = true
    this.#signal('SIGKILL')
    if (this.#state === 'leaving') this.#gone()
  }

  #failed(cause: Error): void {
    this.#gone()
    this.#owner.failed(cause)
  }

  #exited(code: number | null, signal: NodeJS.Signals | null): void {
    this.#state = 'leaving'
    // The system gives the number of the group to no other while a process of it is left; after that a signal could hit a stranger.
    if (this.#isKilled) this.#gone()
    else this.#awaitGroup()
    this.#owner.exited({ exitCode: code ?? undefined, signal: signal ?? undefined })
  }

  #gone(): void {
    this.#state = 'gone'
    this.#clock.clearTimeout(this.#timer)
    this.#sideWrites.delete(this)
    this.#owner.gone()
  }

  /** Sends a signal to the group; false where no process of it is left, or none that this one may signal. */
  #signal(signal: NodeJS.Signals | 0): boolean {
    try {
      return process.kill(-(this.#child.pid as number), signal)
    } catch {
      return false
    }
  }
}
