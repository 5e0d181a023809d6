import { parseArgs } from 'node:util'

export const HELP = `Usage: npm run bench -- [options]

Runs servers in turns, each in a process of its own, under the same loads, and prints how they did.

  --quick    about ten seconds instead of two minutes: smaller crowds, one short round
  --json     print the results as JSON instead of tables
  --chart    write docs/bench.svg also when --quick is given
  --help     print this

Exit code 0: all is well; 1: a server answered wrong, or something failed; 2: the arguments are wrong.
`

/** The options of the command line. */
export interface Options {
  readonly quick: boolean
  readonly json: boolean
  readonly chart: boolean
  readonly help: boolean
}

/**
 * Parses the arguments of the command line.
 *
 * @throws TypeError for an unknown argument.
 */
export function parseOptions(args: string[]): Options {
  const flag = { type: 'boolean', default: false } as const
  const { values } = parseArgs({
    args,
    options: { quick: flag, json: flag, chart: flag, help: { ...flag, short: 'h' } },
  })
  return { ...values, chart: values.chart || !values.quick }
}
