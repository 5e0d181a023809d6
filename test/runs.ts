/** Whether property tests run at full length (`npm run test:all`), and not for a look before a commit (`npm test`). */
export const RUNS_ALL = process.env.BYWASH_TEST_RUNS !== 'some'

/** How often a property is tried: `all` times, or a tenth of that, but 10 times at least. */
export function runs(all: number): number {
  return RUNS_ALL ? all : Math.min(all, Math.max(10, Math.ceil(all / 10)))
}
