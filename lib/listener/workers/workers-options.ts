import { availableParallelism } from 'node:os'
import { InvalidOptionError } from '../../errors.js'
import { checkNames, isObject } from '../../options/check-option.js'
import { choice, integer, type Option, text } from '../../options/option.js'
import { type OptionsOf, settingsFrom } from '../../options/option-values.js'
import { showValue } from '../../options/show-value.js'
import { writtenAs } from '../../options/written-as.js'
import type { ListenAddress } from '../address/listen-address.js'

/** The party that hands the connections to the workers. */
export type Spread = 'primary' | 'kernel'

/** A limit beyond the number of cores of any machine. */
export const MAX_WORKERS = 1024

/** The systems on which `reusePort` spreads connections. */
const PLATFORMS: readonly string[] = ['linux', 'freebsd', 'dragonfly', 'sunos', 'aix']

const HELP = 'how many processes or threads serve; auto is one for each core'

/** Every option of `workers`. */
export const WORKERS_OPTIONS = {
  count: workerCount(),
  spread: choice(['primary', 'kernel'], {
    help: 'who gives connections to workers: primary, to processes; kernel, to threads that accept themselves',
    details:
      'With `kernel` the primary has no part in a connection, and each thread has a listening socket of its own (`reusePort`: Node 22.12 or later, on Linux and some BSDs, on a port). What a thread has not accepted when it dies is reset.',
    default: 'primary',
  }),
  maxHeapSize: integer({
    help: 'how large the JavaScript heap of each thread may grow; one that is full ends its thread, and another takes its place',
    details:
      'With `spread` `kernel` only. Of the heap it is the part for what lives long (the `maxOldGenerationSizeMb` of `node:worker_threads`); Buffers are outside of it. Where Node was started with `--max-old-space-size`, that is the limit.',
    absent: 'the limit that Node has for the machine',
    // With less, a thread has no room for the program itself.
    minimum: 16_777_216,
    unit: 'bytes',
  }),
}

/** Options of `workers`. */
export interface WorkersOptions extends OptionsOf<typeof WORKERS_OPTIONS> {}

/** The options of `workers`, checked, with their defaults filled in. */
export interface WorkersSettings {
  readonly count: number
  readonly spread: Spread
  /** In bytes. */
  readonly maxHeapSize?: number
}

/** The forms of a number of workers: code may give more, which `isMore` allows and `words` name. */
function countForms<Value>(words: string, isMore: (value: unknown) => boolean) {
  return {
    refusal: (name: string, count: unknown) =>
      isCount(count) || isMore(count)
        ? undefined
        : `'${name}' is a whole number, from 1 to ${MAX_WORKERS}, ${words}; got ${showValue(count)}`,
    writtenRefusal: (name: string, count: unknown) =>
      count === 'auto' || (/^\d+$/.test(String(count)) && isCount(Number(count)))
        ? undefined
        : `'${name}' must be a whole number, from 1 to ${MAX_WORKERS}, or auto`,
    fromWritten: (count: unknown) => (count === 'auto' ? count : Number(count)) as Value,
  }
}

/** The option `count` of `workers`. */
function workerCount(): Option<number | 'auto', 'required'> {
  return writtenAs(
    text({ help: HELP, required: true }),
    countForms<number | 'auto'>("or 'auto'", () => false),
  )
}

/** The option `workers` of `listen()`: their number, or an object of options. */
export function workersOption(): Option<number | 'auto' | WorkersOptions, 'optional'> {
  return writtenAs(
    text({
      help: HELP,
      details:
        'Each runs this same script, and one that dies is started again, so that 1 has a use too. The limits are those of all together.',
      absent: 'this process alone',
    }),
    // An object is checked, with its own names, in workersSettings().
    countForms<number | 'auto' | WorkersOptions>(
      "'auto', or an object with 'count', 'spread' and 'maxHeapSize'",
      isObject,
    ),
  )
}

/** Checks the options and fills in their defaults; undefined where this process serves alone. */
export function workersSettings(
  given: number | 'auto' | WorkersOptions | undefined,
  address: ListenAddress,
  { node, platform } = { node: process.versions.node, platform: process.platform as string },
  owner = 'listen()',
): WorkersSettings | undefined {
  if (given === undefined) return undefined
  const options = typeof given === 'object' ? given : { count: given }
  checkNames(`${owner}: workers`, options, Object.keys(WORKERS_OPTIONS))
  const { count, spread, maxHeapSize } = settingsFrom(`${owner}: workers`, WORKERS_OPTIONS, options)
  if (spread === 'kernel') checkKernel(owner, address, node, platform)
  else if (maxHeapSize !== undefined) {
    throw new InvalidOptionError(
      `${owner}: 'maxHeapSize' is for threads, and 'spread' is 'primary', which has processes: give 'spread' 'kernel', or start ` +
        'Node with --max-old-space-size (in MiB), which its workers get, too.',
    )
  }
  return {
    count: count === 'auto' ? availableParallelism() : count,
    spread,
    ...(maxHeapSize !== undefined && { maxHeapSize }),
  }
}

function checkKernel(owner: string, address: ListenAddress, node: string, platform: string): void {
  const refuse = (why: string) =>
    new InvalidOptionError(
      `${owner}: 'spread' is 'kernel', ${why}; or leave 'spread' out, and the primary spreads the connections.`,
    )
  const [major = 0, minor = 0] = node.split('.').map(Number)
  // `reusePort` came with Node 22.12 and 23.1.
  if (major < 22 || (major === 22 && minor < 12) || (major === 23 && minor < 1)) {
    throw refuse(`which Node can do from 22.12 on, and this is ${node}: upgrade Node`)
  }
  if (!PLATFORMS.includes(platform)) {
    throw refuse(`which this system (${platform}) cannot do: run it on Linux`)
  }
  if (!('port' in address)) {
    throw refuse("which is for a port, and not for a 'path' or an 'fd': give 'port'")
  }
}

function isCount(count: unknown): boolean {
  return count === 'auto' || (Number.isInteger(count) && Number(count) >= 1 && Number(count) <= MAX_WORKERS)
}
