import { parseArgs } from 'node:util'
import { givenServer, type ServerEntry } from './server-list.js'
import { workloads } from './workloads.js'

const WORKLOADS: readonly string[] = [...workloads(true, 1).map(({ name }) => name), 'idle']

export const HELP = `Usage: npm run bench -- [options]

Runs servers in turns, each in a process of its own, under the same loads, and prints how they did.

  --quick    about ten seconds instead of two minutes: smaller crowds, one short round
  --workload NAME
             only this workload, such as proxy-pp; may be repeated
  --server 'NAME=COMMAND'
             run a server in any language too, with its port in $PORT; it echoes lines, or answers in upper case; may be
             repeated
  --growth   how costs grow with connections, lines, stages and subscribers, in place of the workloads
  --json     print the results as JSON instead of tables
  --chart    write docs/bench.svg (with --growth docs/growth.svg) also with --quick or --workload
  --help     print this

Exit code 0: all is well; 1: a server answered wrong, or something failed; 2: the arguments are wrong.
`

/** The options of the command line. */
export interface Options {
  readonly quick: boolean
  /** The names of the workloads to run; undefined for all. */
  readonly workload: readonly string[] | undefined
  /** The servers that are given as commands. */
  readonly server: readonly ServerEntry[]
  readonly growth: boolean
  readonly json: boolean
  readonly chart: boolean
  readonly help: boolean
}

/**
 * Parses the arguments of the command line.
 *
 * @throws TypeError for an unknown argument, the name of no workload, or a server that is not `name=command`.
 */
export function parseOptions(args: string[]): Options {
  const flag = { type: 'boolean', default: false } as const
  const { values } = parseArgs({
    args,
    options: {
      quick: flag,
      workload: { type: 'string', multiple: true },
      server: { type: 'string', multiple: true, default: [] },
      growth: flag,
      json: flag,
      chart: flag,
      help: { ...flag, short: 'h' },
    },
  })
  const unknown = values.workload?.find(name => !WORKLOADS.includes(name))
  if (unknown !== undefined) {
    throw new TypeError(`There is no workload '${unknown}'. There are: ${WORKLOADS.join(', ')}.`)
  }
  if (values.growth && (values.workload !== undefined || values.server.length > 0)) {
    throw new TypeError('--growth has servers and loads of its own: leave --workload and --server out.')
  }
  return {
    ...values,
    workload: values.workload,
    server: values.server.map(givenServer),
    chart: values.chart || (!values.quick && values.workload === undefined),
  }
}
