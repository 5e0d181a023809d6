import { isUtf8 } from 'node:buffer'
import { loadFile } from '../../config/file/load-file.js'
import { escapeBytes } from '../../config/text/escapes.js'
import { printable } from '../../options/printable.js'
import type { CommandModule } from '../command.js'
import type { Io } from '../io.js'
import { jsonText } from '../json-text.js'
import { type DiffMark, lineDiff } from '../terminal/line-diff.js'
import { coloured } from '../terminal/terminal.js'
import { type FileTest, runTest, type TestRun } from '../test-runner.js'

/** `bywash test FILE` */
export const configure: CommandModule['configure'] = (command, io, exit) => {
  command
    .argument('<file>', 'YAML or JSON')
    .option('--json', 'print the results as JSON')
    .addHelpText('after', '\nExample:\n  $ bywash test bywash.yaml')
    .action(async (file: string, { json }: { readonly json?: boolean }) =>
      exit(await (json ? testFileInJson(file, io) : testFile(file, io))),
    )
}

/** Runs the tests of a file and prints their results as JSON; returns the exit code. */
async function testFileInJson(path: string, io: Io): Promise<number> {
  const { configuration, placed } = await loadFile(path, { environment: io.env })
  const results: Readonly<Record<string, unknown>>[] = []
  for (const test of configuration?.tests ?? []) {
    const { runs, failure } = await runTest(test)
    const { name, expect } = test
    results.push({ name, passed: failure === undefined, runs, failure: failure && inJson(failure, expect) })
  }
  const failed = results.filter(({ passed }) => !passed).length
  const report = { file: path, problems: placed, passed: results.length - failed, failed, tests: results }
  io.stdout.write(jsonText(report))
  if (configuration === undefined) return 2
  return failed === 0 ? 0 : 1
}

/** A failed run, with bytes as files write them: as text, or as base64 where they are not UTF-8. */
function inJson({ plan, chunks, received, fault }: TestRun, expected: Buffer): object {
  const value = (bytes: Buffer) => (isUtf8(bytes) ? bytes.toString() : { base64: bytes.toString('base64') })
  return { plan, sent: chunks.map(value), expected: value(expected), received: value(received), fault }
}

/** Runs the tests of a file and prints their results; returns the exit code. */
export async function testFile(path: string, io: Io): Promise<number> {
  const { configuration, problems } = await loadFile(path, { environment: io.env })
  for (const problem of problems) io.stderr.write(`${problem}\n`)
  if (configuration === undefined) return 2
  const { tests } = configuration
  const paint = painter(io)
  let failed = 0
  for (const test of tests) {
    const { runs, losses, failure } = await runTest(test)
    for (const [loss, count] of losses) io.stderr.write(`${test.name}: ${printable(loss)} (${count} runs)\n`)
    if (failure === undefined) {
      io.stdout.write(`${paint('+', 'ok')}   ${test.name} (${runs} runs)\n`)
    } else {
      failed++
      io.stdout.write(`${paint('-', 'FAIL')} ${test.name}\n${report(test, failure, paint)}`)
    }
  }
  io.stdout.write(`${summary(tests.length, failed)}\n`)
  return failed === 0 ? 0 : 1
}

function summary(count: number, failed: number): string {
  if (count === 0) return 'The file has no tests.'
  const all = count === 1 ? '1 test' : `${count} tests`
  return failed === 0 ? `${all} passed.` : `${failed} of ${all} failed.`
}

type Paint = (mark: DiffMark, text: string) => string

const COLOURS = { '-': 'red', '+': 'green' } as const

function painter({ stdout, env }: Io): Paint {
  return (mark, text) => (mark === ' ' ? text : coloured(stdout, env, COLOURS[mark], text))
}

function report(test: FileTest, { plan, chunks, received, fault }: TestRun, paint: Paint): string {
  const lines = received.equals(test.expect)
    ? []
    : [
        paint('-', '- expected'),
        paint('+', '+ received'),
        ...lineDiff(test.expect, received).map(([mark, line]) => paint(mark, `${mark} ${line}`)),
      ]
  return [
    `with plan '${plan}', sent ${pieces(chunks)}`,
    ...(fault === undefined ? [] : [printable(fault)]),
    ...lines,
  ]
    .map(line => `     ${line}\n`)
    .join('')
}

/** Number of chunks of an input that are shown. */
const MAX_PIECES = 8
/** Number of characters that are shown of the beginning, and of the end, of a long chunk. */
const MAX_END_CHARACTERS = 20

/** Describes the chunks that an input was sent in. */
function pieces(chunks: readonly Buffer[]): string {
  if (chunks.length === 1) return 'at once'
  const shown = chunks.slice(0, MAX_PIECES).map(chunk => {
    const text = escapeBytes(chunk)
    return text.length > 2 * MAX_END_CHARACTERS
      ? `'${text.slice(0, MAX_END_CHARACTERS)}…${text.slice(-MAX_END_CHARACTERS)}'`
      : `'${text}'`
  })
  return `in ${chunks.length} pieces: ${shown.join(' ')}${chunks.length > MAX_PIECES ? ' …' : ''}`
}
