import { didYouMean } from '../../config/did-you-mean.js'
import { camelCase, kebabCase, type Registry } from '../../config/registry.js'
import { defaultInWords, valuesInWords } from '../../config/text/option-words.js'
import type { Definition } from '../../definition.js'
import { KIND_NAMES } from '../../engine/planned-stage.js'
import { InvalidOptionError } from '../../errors.js'
import type { Kind } from '../../kind.js'
import type { Option } from '../../options/option.js'
import type { CommandModule } from '../command.js'
import { jsonText } from '../json-text.js'
import { importFlag, type PipelineFlags, registryFor } from '../pipeline-flags.js'
import { table, wrapped } from '../terminal/table.js'
import { widthOf } from '../terminal/terminal.js'

interface Flags extends Pick<PipelineFlags, 'import'> {
  readonly json?: boolean
}

/** `bywash stages [stage]` */
export const configure: CommandModule['configure'] = (command, io, exit) => {
  importFlag(command.argument('[stage]', 'the stage to describe'))
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  $ bywash stages lines')
    .action(async (name: string | undefined, flags: Flags) => {
      const registry = await registryFor(flags, io)
      const width = widthOf(io.stdout)
      const all = [...registry.stages.values()].map(({ definition }) => definition)
      const chosen = name === undefined ? undefined : definitionOf(name, registry)
      const text = flags.json
        ? jsonText(chosen ?? all)
        : `${chosen === undefined ? catalogueTable(all, width) : description(chosen, width)}\n`
      io.stdout.write(text)
      exit(0)
    })
}

function definitionOf(name: string, { stages, presets }: Registry): Definition {
  const factory = stages.get(name) ?? stages.get(camelCase(name))
  if (factory !== undefined) return factory.definition
  const near = didYouMean(name, [...stages.keys()].map(kebabCase))
  const remedy = presets.has(name) ? "It is a preset, which 'bywash presets' lists." : near
  throw new InvalidOptionError(
    `error: There is no stage '${name}'. ${remedy || "'bywash stages' lists them all."}`,
  )
}

function catalogueTable(definitions: readonly Definition[], width: number): string {
  const rows = definitions.map(({ name, accepts, emits, summary }) => [
    kebabCase(name),
    kindWord(accepts),
    kindWord(emits),
    summary,
  ])
  return table([['STAGE', 'TAKES', 'GIVES', ''], ...rows], width)
}

function description(definition: Definition, width: number): string {
  const { name, summary, accepts, emits, examples } = definition
  const list = Object.entries(definition.arguments)
  const options = Object.entries(definition.options)
  const isOpen = list.at(-1)?.[1].isList === true
  const inOptions = options.length > 0 ? ['[options]'] : []
  const usage = [
    kebabCase(name),
    ...(isOpen ? inOptions : []),
    ...list.map(argumentText),
    ...(isOpen ? [] : inOptions),
  ]
  const rows = [
    ...list.map(([name, option]) => [argumentText([name, option]), optionText(option)]),
    ...options.map(([name, option]) => [`--${kebabCase(name)}`, optionText(option)]),
  ]
  return [
    ...wrapped(usage.join(' ') + (summary === '' ? '' : `: ${summary}`), width),
    ...wrapped(`Takes ${kindWord(accepts)}, gives ${kindWord(emits)}${variantOf(definition)}.`, width),
    ...(rows.length === 0 ? [] : ['', table(rows, width)]),
    ...(examples.length === 0 ? [] : ['', 'Examples:', ...examples.map(example => `  ${example}`)]),
  ].join('\n')
}

function argumentText([name, { isList }]: readonly [string, Option]): string {
  return isList ? `[${name}...]` : `<${name}>`
}

function optionText(option: Option): string {
  const defaultText = defaultInWords(option)
  const isPlain = defaultText === '' || defaultText === 'required'
  const facts = [valuesInWords(option), isPlain ? defaultText : `default: ${defaultText}`]
  return `${option.help} (${facts.filter(fact => fact !== '').join('; ')})`
}

function variantOf({ variant }: Definition): string {
  if (variant === undefined) return ''
  const { option, value, accepts, emits } = variant
  const kinds = [
    ...(accepts === undefined ? [] : [`takes ${kindWord(accepts)}`]),
    ...(emits === undefined ? [] : [`gives ${kindWord(emits)}`]),
  ]
  return `; with --${kebabCase(option)}${value === undefined ? '' : ` ${value}`} it ${kinds.join(' and ')}`
}

function kindWord(kind: Kind | 'any' | 'same'): string {
  if (kind === 'any') return 'any kind'
  return kind === 'same' ? 'the same' : KIND_NAMES[kind]
}
