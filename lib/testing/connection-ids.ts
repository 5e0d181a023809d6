/** The connections that each stage or pipeline has had in tests. */
const counts = new WeakMap<object, number>()

/** The id of the next connection of a stage: 1 for the first one, then rising by one, whatever else a test runs. */
export function nextConnectionId(stage: object): number {
  const id = (counts.get(stage) ?? 0) + 1
  counts.set(stage, id)
  return id
}
