/**
 * A deep copy of what a stage could change: arrays, plain objects, Maps, Sets, dates and bytes of every sort. Values of other
 * classes, whose state cannot be copied from outside, are returned as they are.
 */
export function copyOf(value: unknown): unknown {
  return Buffer.isBuffer(value) ? Buffer.from(value) : copyOfPart(value, new Map())
}

/** @param copies - The copies that were begun, by their originals: a value may refer to itself. */
function copyOfPart(value: unknown, copies: Map<object, object>): unknown {
  if (typeof value !== 'object' || value === null) return value
  const begun = copies.get(value)
  if (begun !== undefined) return begun
  const copy = newCopy(value)
  if (copy === undefined) return value
  if (ArrayBuffer.isView(value)) return copy
  copies.set(value, copy)
  if (value instanceof Map) {
    for (const [key, part] of value)
      (copy as typeof value).set(copyOfPart(key, copies), copyOfPart(part, copies))
  } else if (value instanceof Set) {
    for (const part of value) (copy as typeof value).add(copyOfPart(part, copies))
  }
  // A list may have names too, as the match of an expression has.
  for (const key of Reflect.ownKeys(value)) {
    if (!Object.prototype.propertyIsEnumerable.call(value, key)) continue
    const part = copyOfPart(value[key as never], copies)
    Object.defineProperty(copy, key, { value: part, writable: true, enumerable: true, configurable: true })
  }
  return copy
}

/** A new object of the same sort, with no parts yet; undefined for an object of a class that cannot be copied. */
function newCopy(value: object): object | undefined {
  if (Buffer.isBuffer(value)) return Buffer.from(value)
  if (value instanceof DataView) {
    return new DataView(value.buffer.slice(value.byteOffset, value.byteOffset + value.byteLength))
  }
  if (ArrayBuffer.isView(value)) return (value as Uint8Array).slice()
  const prototype: object | null = Object.getPrototypeOf(value)
  switch (prototype) {
    case Array.prototype:
      return new Array((value as unknown[]).length)
    case Map.prototype:
      return new Map()
    case Set.prototype:
      return new Set()
    case Date.prototype:
      return new Date(value as Date)
    case ArrayBuffer.prototype:
      return (value as ArrayBuffer).slice(0)
    case Object.prototype:
    case null:
      return Object.create(prototype)
    default:
      return undefined
  }
}
