import type { Option, Presence } from './option.js'

/** The checks of an option that has one form in code and another in texts and files. */
interface Forms<Value> {
  /** Checks the value that code gives. */
  readonly refusal: Option['refusal']
  /** Checks what a text or a file gives. @default the check of the written option */
  readonly writtenRefusal?: Option['refusal']
  /** Turns what a text or a file gives into the value of code. @default the same value */
  readonly fromWritten?: (value: unknown) => Value
}

/** An option that has one form in texts and files and another in code, such as permission bits: `660` and `0o660`. */
export function writtenAs<Value, Present extends Presence = 'optional'>(
  written: Option<unknown, Present>,
  { refusal, writtenRefusal = written.refusal, ...reading }: Forms<Value>,
): Option<Value, Present> {
  return Object.freeze({ ...written, ...reading, refusal, writtenRefusal }) as Option<Value, Present>
}
