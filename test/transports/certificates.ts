import { copyFileSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'

/** The path of a certificate or key of the tests; `certificates/make.sh` makes them again. */
export const pathOf = (name: string) => resolve(`test/transports/certificates/${name}.pem`)

export const pem = (name: string) => readFileSync(pathOf(name), 'utf8')

/** A certificate with its key, as Node's TLS and `listen()` take them. */
export const identity = (name: string) => ({ cert: pem(name), key: pem(`${name}-key`) })

/** Puts a certificate and its key into a folder, as cert.pem and key.pem. */
export function install(folder: string, name: string): void {
  copyFileSync(pathOf(name), `${folder}/cert.pem`)
  copyFileSync(pathOf(`${name}-key`), `${folder}/key.pem`)
}
