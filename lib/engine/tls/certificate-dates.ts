import { X509Certificate } from 'node:crypto'
import type { Pem, TlsOptions } from '../../options/tls-options.js'

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g

/** Says which certificates of a chain, and of authorities, have expired or are not valid yet. The PEM is checked already. */
export function dateProblems(
  { cert, ca }: Pick<TlsOptions, 'cert' | 'ca'>,
  now = Date.now(),
): readonly string[] {
  return [...problemsOf('cert', cert, now), ...problemsOf('ca', ca ?? [], now)]
}

function problemsOf(name: string, pem: Pem, now: number): readonly string[] {
  const certificates = [pem].flat().flatMap(one => String(one).match(CERTIFICATE) ?? [one])
  return certificates.flatMap(one => {
    const { subject, validFrom, validTo } = new X509Certificate(one)
    const what = `'${name}' (${subject.replaceAll('\n', ', ')})`
    if (Date.parse(validTo) < now)
      return `${what} has expired: it was valid until ${isoTime(validTo)}; renew it`
    if (Date.parse(validFrom) > now)
      return `${what} is not valid before ${isoTime(validFrom)}; look at the clock too`
    return []
  })
}

function isoTime(date: string): string {
  return new Date(date).toISOString()
}
