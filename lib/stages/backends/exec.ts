import { MAX_TIMEOUT_MS, type Timer } from '../../clock.js'
import type { Connection } from '../../connection.js'
import { defineStage } from '../../define-stage.js'
import type { StageFactory } from '../../definition.js'
import { type BywashError, ExecError, InvalidOptionError, StderrError } from '../../errors.js'
import { formatDuration } from '../../options/format-duration.js'
import { integer, listOfText, text } from '../../options/option.js'
import type { OptionsOf } from '../../options/option-values.js'
import { SideWrites } from '../../side-writes.js'
import {
  type Controller,
  type HoldingController,
  internalStage,
  type Transformer,
  type TransformerStage,
  unanswered,
} from '../../stage.js'
import { Bridge } from './bridge.js'
import {
  type Exit,
  environmentOf,
  loadSpawn,
  Program,
  type ProgramOwner,
  type Spawn,
  type Variables,
} from './program.js'
import { StderrLines } from './stderr-lines.js'
import { systemText } from './system-text.js'

/** The memory of the pipes of one connection: two reads and a mark to the program, and two reads from it; and a read of stderr. */
const KEPT_BYTES = 393_216
/** The time that a program that has ended its output may take to exit, until its client hears of the end. */
const EXIT_WAIT_MS = 1_000

/** The options; exported, so that an editor shows their help. */
export const EXEC_OPTIONS = {
  maxProcesses: integer({
    minimum: 1,
    default: 100,
    help: 'how many programs of this stage run at once in a process; beyond them the connection ends as exec-error',
  }),
  grace: integer({
    unit: 'ms',
    maximum: MAX_TIMEOUT_MS,
    default: 5_000,
    help: 'how long a program may go on behind the SIGTERM at the end of its connection, until it is sent SIGKILL; and how long what it has started may hold its output open behind its own end',
  }),
}

/** Options of `exec()`. Times are in milliseconds. */
export interface ExecOptions extends OptionsOf<typeof EXEC_OPTIONS> {}

/** State that the connections of one stage share. */
interface Shared {
  readonly command: readonly [string, ...string[]]
  readonly maxProcesses: number
  readonly grace: number
  readonly sideWrites: SideWrites
  /** Programs that run. */
  running: number
}

/**
 * Runs a program for each connection: bytes to bytes. What comes goes to its stdin, and what it writes to stdout goes on; each
 * line that it writes to stderr goes to `onError` as a StderrError, at most ten a second. No shell is involved: the arguments reach
 * the program as they stand.
 *
 * The environment is that of this process, with `TCPREMOTEIP`, `TCPREMOTEPORT`, `TCPLOCALIP`, `TCPLOCALPORT` and `PROTO=TCP`, as
 * ucspi-tcp has them. The end of the input is the end of its stdin; when it exits the connection ends. One that cannot be
 * started, exits with another code than 0 or is killed ends the connection with the outcome `exec-error`, behind its output. At the
 * end of the connection it and its process group get SIGTERM, and SIGKILL after `grace`.
 *
 * @param command - The program: a name that is looked up in PATH, or a path.
 * @param args - Its arguments. @default none
 * @throws InvalidOptionError for text with a NUL, an option that does not exist or a value that is not allowed.
 * @throws ExecError on the connection (outcome `exec-error`).
 * @example
 * await listen(pipeline().through(exec('tr', ['a-z', 'A-Z'])), { port: 7000 })
 * const sorted = pipeline().through(exec('sort', [], { maxProcesses: 20, grace: '1s' })).through(lines()).through(number()).through(toLines())
 */
export const exec = defineStage({
  name: 'exec',
  summary: 'runs a program for each connection, on its stdin and stdout',
  accepts: 'bytes',
  emits: 'bytes',
  memory: { keeps: KEPT_BYTES },
  arguments: [
    {
      command: text({
        required: true,
        minimum: 1,
        help: 'the program: a name that is looked up in PATH, or a path',
      }),
    },
    {
      args: listOfText({
        default: [],
        help: 'its arguments, which no shell changes; in a text every word behind the command, so that options of the stage stand before it',
      }),
    },
  ],
  options: EXEC_OPTIONS,
  examples: ['exec tr a-z A-Z', "exec --grace 1s sh -c 'date; exec cat'"],
  make: ({ command, args, maxProcesses, grace }) => {
    const words = [command, ...[args].flat()] as const
    if (words.some(word => word.includes('\0'))) {
      throw new InvalidOptionError(
        "exec(): 'command' and 'args' cannot contain a NUL, which ends a text for the system.",
      )
    }
    const sideWrites = new SideWrites()
    const shared: Shared = { command: words, maxProcesses, grace, sideWrites, running: 0 }
    return internalStage<Buffer, Buffer>({
      name: 'exec',
      accepts: 'bytes',
      emits: 'bytes',
      detached: true,
      sideWrites,
      waits: 'for its program, until that takes more and when the client has ended',
      open: connection => new Exec(shared, connection),
    })
  },
}) as StageFactory<
  (command: string, args?: readonly string[], options?: ExecOptions) => TransformerStage<Buffer, Buffer>
>

/** The program of one connection. */
class Exec implements Transformer<Buffer, Buffer>, ProgramOwner {
  readonly #shared: Shared
  readonly #connection: Connection
  readonly #variables: Variables
  #controller!: HoldingController<Buffer>
  #program: Program | undefined
  #bridge: Bridge | undefined
  #stderr: StderrLines | undefined
  /** The client has ended, and the program has been told. */
  #isFlushing = false
  #isClosed = false
  /** Waits for the end of the program behind that of its output, or the other way round. */
  #timer: Timer
  #exit: Exit | undefined

  constructor(shared: Shared, connection: Connection) {
    this.#shared = shared
    this.#connection = connection
    // Later the system may not know the addresses any more.
    this.#variables = variablesOf(connection)
  }

  start(controller: Controller<Buffer>): void {
    this.#controller = controller as HoldingController<Buffer>
    const { running, maxProcesses } = this.#shared
    if (running >= maxProcesses) {
      const programs = running === 1 ? '1 program' : `${running} programs`
      this.#fail(`runs ${programs} already ('maxProcesses').`)
      return
    }
    this.#shared.running++
    this.#controller.hold()
    loadSpawn().then(spawn => this.#begin(spawn))
  }

  #begin(spawn: Spawn): void {
    const { command, sideWrites, grace } = this.#shared
    if (this.#isClosed) {
      this.gone()
      return
    }
    try {
      const { clock } = this.#connection
      this.#program = new Program(spawn, command, environmentOf(this.#variables), {
        owner: this,
        sideWrites,
        clock,
        grace,
      })
    } catch (cause) {
      this.gone()
      this.failed(cause as Error)
      return
    }
    const { streams } = this.#program
    if (streams === undefined) return
    const { stdin, stdout, stderr } = streams
    const bridge = new Bridge(this.#controller, stdin, stdout)
    this.#bridge = bridge
    // A program may close its stdin before it has read everything, as `head` does: that is no failure.
    stdin.once('close', () => bridge.drop())
    stdout.once('end', () => this.#outputEnded())
    this.#stderr = new StderrLines(this.#connection.clock, what => this.#report(what))
    stderr.on('data', (chunk: Buffer) => this.#stderr?.take(chunk))
    streams.once('close', () => this.#finish(bridge))
    this.#controller.release()
  }

  // The transformer holds until the program runs, so none of these is called before.

  transform(chunk: Buffer): void {
    ;(this.#bridge as Bridge).take(chunk)
  }

  readComplete(): void {
    this.#bridge?.write()
  }

  flush(): void {
    this.#isFlushing = true
    ;(this.#bridge as Bridge).flush()
  }

  [unanswered](time: number): BywashError {
    const what = `has waited ${formatDuration(time)} for '${this.#name}', which neither takes nor gives anything.`
    return new ExecError('exec', what, this.#hasAnswered)
  }

  close(): void {
    this.#isClosed = true
    this.#connection.clock.clearTimeout(this.#timer)
    this.#program?.stop()
    this.#stderr?.end()
  }

  failed(cause: NodeJS.ErrnoException): void {
    this.#fail(`cannot start '${this.#name}': ${reasonOf(this.#name, cause)}.`, { cause })
  }

  exited(exit: Exit): void {
    this.#exit = exit
    if (this.#isClosed) return
    this.#connection.clock.clearTimeout(this.#timer)
    this.#awaitOutput(-1)
  }

  gone(): void {
    this.#shared.running--
  }

  get #name(): string {
    return this.#shared.command[0]
  }

  get #hasAnswered(): boolean {
    return this.#bridge !== undefined && this.#bridge.answered > 0
  }

  /** Waits for the exit code, which decides whether the end of the output is a good one. */
  #outputEnded(): void {
    if (this.#exit !== undefined) return
    this.#timer = this.#connection.clock.setTimeout(() => this.#controller.endOutput(), EXIT_WAIT_MS)
  }

  /** Waits for the rest of the output, which a child of the program may hold open, for as long as some comes or the client is slow. */
  #awaitOutput(answered: number): void {
    const { streams } = this.#program as Program
    const bridge = this.#bridge as Bridge
    if (answered === bridge.answered && !streams?.stdout.isPaused()) {
      streams?.stdout.destroy()
      streams?.stderr.destroy()
      return
    }
    const { answered: before } = bridge
    this.#timer = this.#connection.clock.setTimeout(() => this.#awaitOutput(before), this.#shared.grace)
  }

  /** Called when the program has exited and all of its output was read. */
  #finish(bridge: Bridge): void {
    this.#connection.clock.clearTimeout(this.#timer)
    this.#stderr?.end()
    if (this.#isClosed) return
    const { exitCode, signal } = this.#exit as Exit
    if (exitCode !== 0) {
      const how = signal === undefined ? `exited with code ${exitCode}` : `was killed by ${signal}`
      this.#fail(`ran '${this.#name}', which ${how}.`, { exitCode, signal })
    } else if (this.#isFlushing) {
      bridge.end()
    } else {
      this.#controller.terminate()
    }
  }

  #fail(what: string, more?: ConstructorParameters<typeof ExecError>[3]): void {
    this.#controller.error(new ExecError('exec', what, this.#hasAnswered, more))
  }

  #report(what: string): void {
    this.#controller.report(new StderrError('exec', this.#name, what))
  }
}

function variablesOf({ remoteAddress, remotePort, localAddress, localPort }: Connection): Variables {
  return {
    PROTO: remoteAddress === undefined ? undefined : 'TCP',
    TCPREMOTEIP: remoteAddress,
    TCPREMOTEPORT: remotePort,
    TCPLOCALIP: localAddress,
    TCPLOCALPORT: localPort,
  }
}

/** Why a program could not be started, in words without a full stop. */
function reasonOf(command: string, cause: NodeJS.ErrnoException): string {
  if (cause.code === 'EACCES') return 'it is not executable'
  if (cause.code !== 'ENOENT') return systemText(cause)
  return command.includes('/')
    ? 'there is no such file, or no such interpreter as its first line names'
    : 'there is no such command in PATH'
}
