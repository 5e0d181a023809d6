import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The path of a certificate or key of the tests; `certificates/make.sh` makes them again. */
export const pathOf = (name: string) => fileURLToPath(new URL(`certificates/${name}.pem`, import.meta.url))

export const pem = (name: string) => readFileSync(pathOf(name), 'utf8')

/** A certificate with its key, as Node's TLS and `listen()` take them. */
export const identity = (name: string) => ({ cert: pem(name), key: pem(`${name}-key`) })
