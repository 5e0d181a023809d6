import { type Command, InvalidArgumentError, Option } from 'commander'
import { PLAN_MODES, type PlanMode } from '../plan.js'
import type { Preset, PresetOptions } from '../presets/index.js'

/** What the flags of a preset's command give. */
export interface PresetFlags extends Omit<PresetOptions, 'log'> {
  readonly host: string
  readonly port: number
  readonly shutdownTimeout: number
  readonly plan: PlanMode
  readonly quiet?: boolean
}

/** Adds the command of a preset: the flags of every listener, and those of the options that the preset takes. */
export function presetCommand(program: Command, preset: Preset): Command {
  const { banner, maxLength, overflow } = preset.defaults
  const command = program
    .command(preset.name)
    .summary(preset.summary)
    .description(`${preset.summary.replace(/^./, letter => letter.toUpperCase())}.`)
    .option('--host <host>', 'address to bind; the default takes connections from every network', '0.0.0.0')
    .option('--port <port>', 'port to bind; 0 lets the system choose', wholeNumber(0, 65_535), 8080)
  if (maxLength !== undefined) {
    command.option('--max-length <bytes>', 'longest line', wholeNumber(1), maxLength)
  }
  if (overflow !== undefined) {
    command.addOption(
      new Option('--overflow <policy>', 'what happens to a longer line')
        .choices(['error', 'truncate', 'skip'])
        .default(overflow),
    )
  }
  if (banner !== undefined) {
    command.option('--banner <text>', 'text that a client gets first; a line feed is added', banner.trimEnd())
  }
  return command
    .addOption(new Option('--plan <plan>', 'how the stages run').choices(PLAN_MODES).default('fused'))
    .addOption(
      new Option('--shutdown-timeout <time>', 'how long open connections may finish after SIGTERM or SIGINT')
        .argParser(milliseconds)
        .default(15_000, '15s'),
    )
    .option('--quiet', 'print errors only')
    .addHelpText('after', `\nExample:\n  $ bywash ${preset.name} --host 127.0.0.1 --port 9000`)
}

function wholeNumber(minimum: number, maximum = Number.MAX_SAFE_INTEGER): (text: string) => number {
  const range = maximum === Number.MAX_SAFE_INTEGER ? `${minimum} or more` : `from ${minimum} to ${maximum}`
  return text => {
    const value = Number(text)
    if (/^\d+$/.test(text) && value >= minimum && value <= maximum) return value
    throw new InvalidArgumentError(`It must be a whole number, ${range}.`)
  }
}

const UNITS = { ms: 1, s: 1_000, m: 60_000 }

function milliseconds(text: string): number {
  const { number, unit = 'ms' } = /^(?<number>\d+)(?<unit>ms|s|m)?$/.exec(text)?.groups ?? {}
  const value = Number(number) * UNITS[unit as keyof typeof UNITS]
  if (value <= 2_147_483_647) return value
  throw new InvalidArgumentError('It must be a time such as 500ms, 15s or 5m, at most 24 days.')
}
