import { type Command, Option } from 'commander'
import { withImports } from '../config/import-stages.js'
import { showProblems } from '../config/problem.js'
import { builtIn, type Registry } from '../config/registry.js'
import { pipelineOfText } from '../config/text/text-pipeline.js'
import { PLAN_MODES, type PlanMode } from '../engine/planned-stage.js'
import { InvalidOptionError } from '../errors.js'
import type { Pipeline } from '../pipeline.js'
import type { Io } from './io.js'

/** The values of the flags that commands with a text pipeline share. */
export interface PipelineFlags {
  readonly import?: readonly string[]
  readonly plan?: PlanMode
}

/** Adds the argument `<pipeline>`, and the flag `--import` for the stages that it names. */
export function pipelineArgument(command: Command): Command {
  return importFlag(command.argument('<pipeline>', 'a text such as: lines | uppercase | to-lines'))
}

/** Adds the flag `--plan`, with its default. */
export function planFlag(command: Command): Command {
  return command.addOption(planOption('how the stages run').default('fused'))
}

export function planOption(help: string): Option {
  return new Option('--plan <plan>', help).choices(PLAN_MODES)
}

/** Adds the flag `--import`, which makes the stages that a module exports usable by name. */
export function importFlag(command: Command): Command {
  return command.option(
    '--import <module>',
    'JavaScript module whose exported stages the text may name; may be repeated',
    (path: string, before: readonly string[] = []) => [...before, path],
  )
}

/** The stages and presets that a text may name: the built-in ones, and those of `--import`. */
export async function registryFor(flags: Pick<PipelineFlags, 'import'>, io: Io): Promise<Registry> {
  return withImports(builtIn(), flags.import ?? [], io.cwd())
}

/**
 * Builds the pipeline that a text describes, such as `lines | uppercase | to-lines`.
 *
 * @param log - Called with each line that a stage such as `counter` logs.
 * @throws InvalidOptionError whose message shows every problem of the text, with carets under its place.
 */
export function pipelineFor(
  text: string,
  registry: Registry,
  log?: (line: string) => void,
): Pipeline<Buffer, Buffer> {
  const { pipeline, problems } = pipelineOfText(text, registry, log)
  if (pipeline === undefined) throw new InvalidOptionError(showProblems(text, problems))
  return pipeline
}
