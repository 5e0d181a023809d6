import { once } from 'node:events'
import { type BigIntStats, chmodSync, lstatSync, renameSync, unlinkSync } from 'node:fs'
import { connect, type Server } from 'node:net'
import { BindError } from '../../errors.js'
import type { UnixAddress } from './listen-address.js'

/** Makes a server listen on a unix socket. A socket file that a dead server has left is removed, and no other file. */
export async function openUnixSocket(server: Server, address: UnixAddress): Promise<void> {
  const { path, mode, backlog } = address
  const there = lstatSync(path, { bigint: true, throwIfNoEntry: false })
  if (there !== undefined) await clear(path, there)
  if (mode === undefined) {
    server.listen({ path, backlog })
    await once(server, 'listening')
    return
  }
  // Until chmod() sets its mode, nobody but the owner can connect.
  const umask = process.umask(0o077)
  try {
    server.listen({ path, backlog })
  } finally {
    process.umask(umask)
  }
  await once(server, 'listening')
  try {
    chmodSync(path, mode)
  } catch (error) {
    server.close()
    throw error
  }
}

async function clear(path: string, there: BigIntStats): Promise<void> {
  if (!there.isSocket()) {
    throw new BindError(
      `bind failed: ${path} is there already and is no socket, so it is left alone; choose another path`,
    )
  }
  const refusal = await refusalOf(path)
  if (refusal === 'ECONNREFUSED' || refusal === 'ENOENT') {
    removeStale(path, there)
  } else {
    const why = refusal === undefined ? '' : ` (${refusal})`
    throw new BindError(
      `bind failed: ${path} is already in use${why}; choose another path, or stop the program that has it`,
    )
  }
}

/** Error code of an attempt to connect to a socket; undefined if a server accepts it. */
async function refusalOf(path: string): Promise<string | undefined> {
  const client = connect({ path })
  const refusal = await once(client, 'connect').then(
    () => undefined,
    (error: NodeJS.ErrnoException) => error.code,
  )
  client.destroy()
  return refusal
}

/**
 * Removes the file of a stale socket. Another server may have put its own socket at the path since `stale` was read, so
 * the file is renamed first, compared with `stale`, and renamed back if it is not the same.
 */
export function removeStale(path: string, stale: BigIntStats): void {
  const aside = `${path}.${process.pid}`
  try {
    renameSync(path, aside)
  } catch (error) {
    // Another process has removed it.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  const { ino, mtimeNs } = lstatSync(aside, { bigint: true })
  if (ino === stale.ino && mtimeNs === stale.mtimeNs) unlinkSync(aside)
  else renameSync(aside, path)
}
