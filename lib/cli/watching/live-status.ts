import type { Clock, Timer } from '../../clock.js'
import type { Status } from '../../status/status.js'
import type { CommandFailure } from '../command-failure.js'
import type { Io, Signal } from '../io.js'
import { coloured, widthOf } from '../terminal/terminal.js'
import { drawStatuses, SORTS, type ViewState } from './status-view.js'
import { cutLine, type StyledLine } from './styled-line.js'

const INTERVAL_MS = 1_000

/** Rates that are remembered of each listener: the columns of the widest curve. */
const MAX_RATES = 60

const MAX_FILTER_LENGTH = 40

const SIGNALS: readonly Signal[] = ['SIGINT', 'SIGTERM', 'SIGHUP']

/** Begins a screen of its own, and hides the cursor; what was on the terminal before comes back at the end. */
const ENTER = '\u001b[?1049h\u001b[?25l'
const LEAVE = '\u001b[?25h\u001b[?1049l'

/** Keys, as a terminal sends them. */
const CTRL_C = '\u0003'
const ESCAPE = '\u001b'
const BACKSPACES = ['\u007f', '\b']

/** stdin that is a terminal. */
interface Keyboard extends NodeJS.ReadableStream {
  readonly isTTY?: boolean
  readonly setRawMode?: (isRaw: boolean) => unknown
}

/** Shows the status of a server on a terminal, anew each second, until somebody ends it. */
export class LiveStatus {
  readonly #io: Io
  readonly #clock: Clock
  readonly #name: string
  readonly #ask: () => Promise<readonly Status[]>
  readonly #rates = new Map<string, readonly number[]>()
  #statuses: readonly Status[]
  #state: ViewState = { chosen: 0, sort: 'wait', filter: '' }
  #isTyping = false
  #isPaused = false
  /** Why there is no answer any more. */
  #failure: string | undefined
  #timer: Timer
  #isOver = false
  #end!: () => void

  /** @param ask - Asks for a status; `first` is the first one. */
  constructor(
    name: string,
    ask: () => Promise<readonly Status[]>,
    first: readonly Status[],
    io: Io,
    clock: Clock,
  ) {
    this.#io = io
    this.#clock = clock
    this.#name = name
    this.#ask = ask
    this.#statuses = first
  }

  /** Resolves when `q` or Ctrl-C was typed, or a signal has come. */
  async run(): Promise<void> {
    const { stdin, stdout } = this.#io
    const keyboard = stdin as Keyboard
    const hasKeys = keyboard.isTTY === true
    const over = new Promise<void>(resolve => {
      this.#end = resolve
    })
    for (const signal of SIGNALS) this.#io.on(signal, this.#end)
    stdout.on('resize', this.#draw).on('error', this.#end)
    stdout.write(ENTER)
    if (hasKeys) {
      keyboard.setRawMode?.(true)
      keyboard.setEncoding('utf8')
      keyboard.on('data', this.#onKeys)
    }
    try {
      this.#draw()
      this.#wait()
      await over
    } finally {
      this.#isOver = true
      this.#clock.clearTimeout(this.#timer)
      for (const signal of SIGNALS) this.#io.off(signal, this.#end)
      stdout.off('resize', this.#draw).off('error', this.#end)
      if (hasKeys) {
        keyboard.off('data', this.#onKeys)
        keyboard.setRawMode?.(false)
        keyboard.pause()
      }
      stdout.write(LEAVE)
    }
  }

  #wait(): void {
    if (!this.#isOver) this.#timer = this.#clock.setTimeout(() => void this.#refresh(), INTERVAL_MS)
  }

  async #refresh(): Promise<void> {
    try {
      const statuses = await this.#ask()
      this.#failure = undefined
      for (const { name, traffic } of statuses) {
        const rates = this.#rates.get(name) ?? []
        this.#rates.set(name, [...rates, traffic.last1s?.itemsIn ?? 0].slice(-MAX_RATES))
      }
      for (const name of this.#rates.keys()) {
        if (!statuses.some(status => status.name === name)) this.#rates.delete(name)
      }
      if (!this.#isPaused) this.#statuses = statuses
    } catch (error) {
      // A server that is started again answers again.
      this.#failure = (error as CommandFailure).message.replace(/^error: /, '')
    }
    if (!this.#isOver) this.#draw()
    this.#wait()
  }

  readonly #draw = () => {
    const { stdout } = this.#io
    const width = widthOf(stdout)
    const height = stdout.rows || 24
    const body = drawStatuses(this.#statuses, this.#state, this.#rates, width)
    const head = cutLine(this.#title(), width)
    const shown = [head, ...body.slice(0, height - 2)]
    const filling = Array.from({ length: height - 1 - shown.length }, (): StyledLine => [])
    const lines = [...shown, ...filling, cutLine(this.#help(), width)]
    const text = lines.map(line => `${this.#painted(line)}\u001b[K`).join('\r\n')
    stdout.write(`\u001b[H${text}`)
  }

  #title(): StyledLine {
    if (this.#failure !== undefined) return [[this.#failure, 'red']]
    return [
      [`bywash top ${this.#name}`, 'dim'],
      [this.#isPaused ? '  paused' : '', 'bold'],
    ]
  }

  #help(): StyledLine {
    if (this.#isTyping) return [[`filter: ${this.#state.filter}_`, 'bold']]
    return [
      ['q quit  s sort  / filter  p pause', 'dim'],
      [this.#statuses.length > 1 ? '  tab next' : '', 'dim'],
    ]
  }

  #painted(line: StyledLine): string {
    const { stdout, env } = this.#io
    return line
      .map(([text, style]) =>
        style === undefined || text === '' ? text : coloured(stdout, env, style, text),
      )
      .join('')
  }

  readonly #onKeys = (keys: string) => {
    // A key such as an arrow is several characters, which begin with that of Escape.
    const typed = keys.length > 1 && keys.startsWith(ESCAPE) ? [keys] : [...keys]
    for (const key of typed) this.#onKey(key)
    if (!this.#isOver) this.#draw()
  }

  #onKey(key: string): void {
    if (key === CTRL_C) this.#end()
    else if (this.#isTyping) this.#type(key)
    else this.#command(key)
  }

  #type(key: string): void {
    const { filter } = this.#state
    if (key === '\r' || key === '\n') this.#isTyping = false
    else if (key === ESCAPE) {
      this.#isTyping = false
      this.#state = { ...this.#state, filter: '' }
    } else if (BACKSPACES.includes(key)) this.#state = { ...this.#state, filter: filter.slice(0, -1) }
    else if (/^[ -~]$/.test(key) && filter.length < MAX_FILTER_LENGTH) {
      this.#state = { ...this.#state, filter: filter + key }
    }
  }

  #command(key: string): void {
    const { chosen, sort } = this.#state
    const listeners = Math.max(this.#statuses.length, 1)
    if (key === 'q') this.#end()
    else if (key === 'p') this.#isPaused = !this.#isPaused
    else if (key === '/') this.#isTyping = true
    else if (key === ESCAPE) this.#state = { ...this.#state, filter: '' }
    else if (key === 's') {
      const next = SORTS[(SORTS.indexOf(sort) + 1) % SORTS.length] as (typeof SORTS)[number]
      this.#state = { ...this.#state, sort: next }
    } else if (key === '\t' || key === `${ESCAPE}[B`) {
      this.#state = { ...this.#state, chosen: (chosen + 1) % listeners }
    } else if (key === `${ESCAPE}[A`) {
      this.#state = { ...this.#state, chosen: (chosen + listeners - 1) % listeners }
    }
  }
}
