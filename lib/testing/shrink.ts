/**
 * Shortens a list that fails: leaves out runs of parts, the longest runs first, as long as the rest still fails, until no
 * single part can be left out (Zeller's delta debugging). The result is short, but not always the shortest there is.
 */
export async function shrink<Part>(
  parts: readonly Part[],
  fails: (parts: readonly Part[]) => Promise<boolean>,
): Promise<readonly Part[]> {
  let smallest = parts
  for (let length = Math.ceil(parts.length / 2); length > 0; ) {
    const before = smallest.length
    for (let from = 0; from < smallest.length; ) {
      const shorter = [...smallest.slice(0, from), ...smallest.slice(from + length)]
      if (await fails(shorter)) smallest = shorter
      else from += length
    }
    if (length > 1) length = Math.ceil(length / 2)
    else if (smallest.length === before) break
  }
  return smallest
}
