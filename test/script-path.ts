import { fileURLToPath } from 'node:url'

/** The suite is compiled first (`npm test`), or one file of it runs from its source, through tsx (`npx tap FILE`). */
const EXTENSION = import.meta.url.endsWith('.ts') ? 'ts' : 'js'

/** The flags that Node needs for a script of this project. */
export const SCRIPT_FLAGS: readonly string[] = EXTENSION === 'ts' ? ['--import=tsx'] : []

/** The path of a script of this project that runs in a process of its own, such as `test/faults/server-process`. */
export function scriptPath(name: string): string {
  return fileURLToPath(new URL(`../${name}.${EXTENSION}`, import.meta.url))
}
