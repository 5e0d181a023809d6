import { execFileSync } from 'node:child_process'
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'

/** The reason to skip a test of FIFOs; false where the system has them. */
export const NO_FIFO = process.platform === 'win32' && 'needs FIFOs'

/** Makes a FIFO that nobody reads yet. */
export function makeFifo(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'bywash-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'fifo')
  execFileSync('mkfifo', [path])
  return path
}

/** Opens a FIFO that was made, with a reader that does not read, and fills it. */
export function fillFifo(t: Test, path: string): void {
  const descriptor = openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
  t.teardown(() => closeSync(descriptor))
  const chunk = Buffer.alloc(4_096)
  try {
    for (;;) writeSync(descriptor, chunk)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
  }
}

/** Opens the reading end of a FIFO, which reads only when it is told; it is closed at the end of the test. */
export function openReader(t: Test, path: string) {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  let isOpen = true
  const close = () => {
    if (isOpen) closeSync(descriptor)
    isOpen = false
  }
  t.teardown(close)
  const readOnce = (chunk: Buffer) => {
    try {
      return readSync(descriptor, chunk)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return 0
      throw error
    }
  }
  return {
    close,
    /** Resolves with so many bytes, as soon as they have come. */
    async read(length: number): Promise<Buffer> {
      const bytes = Buffer.alloc(length)
      for (let at = 0; at < length; ) {
        at += readOnce(bytes.subarray(at))
        await new Promise(setImmediate)
      }
      return bytes
    },
  }
}
