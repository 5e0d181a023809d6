// A folder for unix sockets: below the system's temporary folder, since a
// path of `t.testdir()` grows with where the project lies, and a socket has
// at most 103 bytes.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'

/** Makes an empty folder with a short path, which goes with the test. */
export const socketFolder = (t: Test): string => {
  const folder = mkdtempSync(join(tmpdir(), 'bw-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}
