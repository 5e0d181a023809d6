/**
 * Whether the script of a page may connect. A browser lets the scripts of every page open WebSockets to every host, with the
 * user's network behind it, and says in `Origin` which page it was. Without a list the page must come from the host and port of
 * the request itself.
 */
export function isAllowedOrigin(
  origin: string | undefined,
  host: string | undefined,
  allowed: readonly string[] | undefined,
): boolean {
  if (origin === undefined) return true
  if (allowed !== undefined) {
    const list = [allowed].flat()
    return list.includes('*') || list.includes(origin)
  }
  return URL.canParse(origin) && new URL(origin).host === host?.toLowerCase()
}
