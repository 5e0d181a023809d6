import { createHash } from 'node:crypto'

/** Headers of whatever a browser is served: it is not kept, not taken for another type, and named to no other server. */
export const BROWSER_HEADERS = {
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
}

/**
 * The Content-Security-Policy of a page: nothing runs on it, and nothing is loaded, but the script and the style that stand in it.
 *
 * @param others - Other sources of scripts and styles, such as `'self'` for files of the same server.
 */
export function pagePolicy(script: string, style: string, others: readonly string[] = []): string {
  return [
    "default-src 'none'",
    ['script-src', ...others, hashOf(script)].join(' '),
    ['style-src', ...others, hashOf(style)].join(' '),
    'img-src data:',
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
}

function hashOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`
}
