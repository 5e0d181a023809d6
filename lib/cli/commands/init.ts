import { writeFile } from 'node:fs/promises'
import type { CommandModule } from '../command.js'
import type { Io } from '../io.js'
import { systemErrorText } from '../system-error-text.js'

/** The content of the file that `bywash init` writes. */
export const FIRST_FILE = `# yaml-language-server: $schema=./node_modules/bywash/dist/bywash.schema.json
#
# The servers of this folder. Check the file with 'bywash check', test it with 'bywash test', run it with
# 'bywash serve', and reload it with SIGHUP or 'bywash serve --watch'.

listeners:
  - name: shout
    # Where it listens. Everything here may be left out, and has a default.
    listen:
      host: 127.0.0.1 # 0.0.0.0 takes connections from every network
      port: \${PORT:-8080} # from the environment, with a default
      idleTimeout: 5m # 500ms, 30s, 5m or 1h
    # From top to bottom, what happens to the bytes of each connection: 'bywash stages' lists all stages.
    # In place of the list there may be the name of a preset, such as 'echo': 'bywash presets' lists them.
    pipeline:
      - lines: { maxLength: 4KiB } # bytes become lines; a longer line ends its connection
      - uppercase
      - toLines # lines become bytes again
      - welcome: "Type a line and press Enter. I will shout it back.\\n"

# What 'bywash test' sends, cut in every way, and all that must come back.
tests:
  - name: shouts
    pipeline: shout # a listener, a preset, or a list of stages
    send: "hello\\n"
    expect: "Type a line and press Enter. I will shout it back.\\nHELLO\\n"
`

/** `bywash init [FILE]` */
export const configure: CommandModule['configure'] = (command, io, exit) => {
  command
    .argument('[file]', 'what to write; JSON where its name ends in .json', 'bywash.yaml')
    .option('--force', 'overwrite a file that is there')
    .addHelpText('after', '\nExample:\n  $ bywash init')
    .action(async (file: string, flags: { readonly force?: boolean }) => exit(await init(file, flags, io)))
}

/** The same file as JSON, which has no comments. */
async function firstFileInJson(): Promise<string> {
  const { parse } = await import('yaml')
  const content = { $schema: './node_modules/bywash/dist/bywash.schema.json', ...parse(FIRST_FILE) }
  return `${JSON.stringify(content, undefined, 2)}\n`
}

/** Writes the first file; returns the exit code. An existing file is overwritten only with `force`. */
export async function init(
  path: string,
  { force = false }: { readonly force?: boolean },
  io: Io,
): Promise<number> {
  try {
    await writeFile(path, /\.json$/i.test(path) ? await firstFileInJson() : FIRST_FILE, {
      flag: force ? 'w' : 'wx',
    })
  } catch (error) {
    const failure = error as NodeJS.ErrnoException
    const reason =
      failure.code === 'EEXIST'
        ? 'it is there already. Name another file, or overwrite it with --force'
        : systemErrorText(failure)
    io.stderr.write(`${path} was not written: ${reason}.\n`)
    return 1
  }
  io.stdout.write(
    `${path} is written. Test it, and then serve it:\n  $ bywash test ${path}\n  $ bywash serve ${path}\n`,
  )
  return 0
}
