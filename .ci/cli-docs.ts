import { PassThrough } from 'node:stream'
import { main } from '../lib/cli/main.js'

/** The page with each block that shows a `--help` as the command prints it now. */
export async function cliDocs(page: string): Promise<string> {
  const blocks = [...page.matchAll(/^```text\n\$ bywash ((?:\S+ )?--help)\n.*?^```$/gms)]
  const parts: string[] = []
  let end = 0
  for (const { 0: block, 1: line = '', index } of blocks) {
    parts.push(page.slice(end, index), `\`\`\`text\n$ bywash ${line}\n${await help(line)}\`\`\``)
    end = index + block.length
  }
  return parts.join('') + page.slice(end)
}

async function help(line: string): Promise<string> {
  const [stdin, stdout, stderr] = [
    new PassThrough(),
    new PassThrough({ encoding: 'utf8' }),
    new PassThrough(),
  ]
  const process = { stdin, stdout, stderr, env: {}, cwd: () => '.', on: () => {}, off: () => {} }
  await main(line.split(' '), process)
  return stdout.read()
}
