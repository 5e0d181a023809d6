import { AssertionError } from 'node:assert'
import type { PlanMode } from '../engine/planned-stage.js'
import type { Breach, Law } from './laws/law.js'
import { brief, indent, variable } from './show.js'
import type { Result } from './subject.js'

/** The error for a stage that breaks a law. */
export function failure(
  law: Pick<Law, 'name' | 'says'>,
  stage: string,
  plan: PlanMode | undefined,
  breach: Breach,
): AssertionError {
  const { detail, input, expected, actual, test } = breach
  const parts = [
    `Stage '${stage}' breaks the law '${law.name}'${plan === undefined ? '' : ` on plan '${plan}'`}: ${law.says}.`,
    detail,
    indent(
      Object.entries({ input, expected, actual })
        .filter(([, value]) => value !== undefined)
        .map(([name, value]) => `${name.padEnd(9)} ${shownValue(value)}`)
        .join('\n'),
    ),
    test && `As a test, where ${variable(stage)} is the stage:`,
    test && indent(test),
  ]
  const error = new AssertionError({
    message: parts.filter(Boolean).join('\n\n'),
    actual: comparable(actual),
    expected: comparable(expected),
    operator: 'checkStage',
  })
  Object.assign(error, { law: law.name, plan })
  const cause = breach.cause ?? (isResult(actual) ? actual.cause : undefined)
  // As the constructor of an Error defines it, which that of an AssertionError does not.
  if (cause !== undefined)
    Object.defineProperty(error, 'cause', { value: cause, writable: true, configurable: true })
  return error
}

function isResult(value: unknown): value is Result {
  return typeof value === 'object' && value !== null && 'output' in value && 'reports' in value
}

function shownValue(value: unknown): string {
  if (!isResult(value)) return brief(value)
  const { output, error, reports, message } = value
  const reported = reports.length === 0 ? '' : `, reporting ${reports.join(', ')}`
  const failed = error === undefined ? '' : `, then ${error}`
  return `${brief(output)}${reported}${failed}${message === undefined ? '' : ` (${message})`}`
}

/** The value that a test runner compares: the output alone, where there is nothing else to see. */
function comparable(value: unknown): unknown {
  return isResult(value) && value.error === undefined && value.reports.length === 0 ? value.output : value
}
