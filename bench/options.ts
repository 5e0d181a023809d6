import { parseArgs } from 'node:util'
import { workloads } from './workloads.js'

const WORKLOADS: readonly string[] = [...workloads(true, 1).map(({ name }) => name), 'idle']

export const HELP = `Usage: npm run bench -- [options]

Runs servers in turns, each in a process of its own, under the same loads, and prints how they did.

  --quick    about ten seconds instead of two minutes: smaller crowds, one short round
  --workload NAME
             only this workload, such as proxy-pp; may be repeated
  --json     print the results as JSON instead of tables
  --chart    write docs/bench.svg also when --quick or --workload is given
  --help     print this

Exit code 0: all is well; 1: a server answered wrong, or something failed; 2: the arguments are wrong.
`

/** The options of the command line. */
export interface Options {
  readonly quick: boolean
  /** The names of the workloads to run; undefined for all. */
  readonly workload: readonly string[] | undefined
  readonly json: boolean
  readonly chart: boolean
  readonly help: boolean
}

/**
 * Parses the arguments of the command line.
 *
 * @throws TypeError for an unknown argument, or the name of no workload.
 */
export function parseOptions(args: string[]): Options {
  const flag = { type: 'boolean', default: false } as const
  const { values } = parseArgs({
    args,
    options: {
      quick: flag,
      workload: { type: 'string', multiple: true },
      json: flag,
      chart: flag,
      help: { ...flag, short: 'h' },
    },
  })
  const unknown = values.workload?.find(name => !WORKLOADS.includes(name))
  if (unknown !== undefined) {
    throw new TypeError(`There is no workload '${unknown}'. There are: ${WORKLOADS.join(', ')}.`)
  }
  return {
    ...values,
    workload: values.workload,
    chart: values.chart || (!values.quick && values.workload === undefined),
  }
}
