import { InvalidOptionError } from '../errors.js'
import { showValue } from './show-value.js'

/**
 * Throws an InvalidOptionError unless `value` is an integer from `minimum` to `maximum`. Functions check their options at
 * once, so that the stack of the error leads to the line to change.
 */
export function checkInteger(
  owner: string,
  name: string,
  value: number,
  minimum: number,
  maximum: number,
): void {
  if (!Number.isInteger(value) || value < minimum || value > maximum) {
    throw new InvalidOptionError(
      `${owner}: '${name}' is a whole number, from ${minimum} to ${maximum}; got ${showValue(value)}.`,
    )
  }
}

export function checkChoice(owner: string, name: string, value: unknown, choices: readonly string[]): void {
  if (!choices.includes(value as string)) {
    const allowed = choices.map(showValue).join(', ')
    throw new InvalidOptionError(`${owner}: '${name}' is one of ${allowed}; got ${showValue(value)}.`)
  }
}

/** Whether a value may hold options by name. */
export function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function checkBoolean(owner: string, name: string, value: unknown): void {
  if (typeof value !== 'boolean') {
    throw new InvalidOptionError(`${owner}: '${name}' is true or false; got ${showValue(value)}.`)
  }
}

export function checkFunction(owner: string, name: string, value: unknown): void {
  if (typeof value !== 'function') {
    throw new InvalidOptionError(`${owner}: '${name}' is a function; got ${showValue(value)}.`)
  }
}

/**
 * Throws for what is no object of options, and for an option that does not exist: a limit with a misspelt name would
 * silently not be there.
 */
export function checkNames(owner: string, options: object, names: readonly string[]): void {
  if (!isObject(options)) {
    throw new InvalidOptionError(`${owner} takes an object of options; got ${showValue(options)}.`)
  }
  const unknown = Object.keys(options).find(name => !names.includes(name))
  if (unknown !== undefined) {
    throw new InvalidOptionError(`${owner} has no option '${unknown}'. It takes ${names.join(', ')}.`)
  }
}
