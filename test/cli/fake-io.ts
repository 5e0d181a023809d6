import { EventEmitter } from 'node:events'
import { PassThrough } from 'node:stream'
import type { Io } from '../../lib/cli/io.js'

/** Stands in for the process: signals are emitted on it, and what is printed is kept. */
export class FakeIo extends EventEmitter implements Io {
  readonly stdin = new PassThrough()
  readonly stdout = new PassThrough()
  readonly stderr = new PassThrough()
  env: Record<string, string | undefined> = {}
  folder = process.cwd()
  printed = ''
  logged = ''

  constructor() {
    super()
    this.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.printed += text
    })
    this.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.logged += text
      this.emit('logged')
    })
  }

  readonly cwd = () => this.folder
}
