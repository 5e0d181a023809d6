import { once } from 'node:events'
import { type BigIntStats, chmodSync, lstatSync, renameSync, unlinkSync } from 'node:fs'
import { connect, type Server } from 'node:net'
import { BindError } from '../../errors.js'
import type { UnixAddress } from './listen-address.js'

/** Listens on a unix socket. What a dead server has left in its place is removed, and nothing else. */
export async function openUnixSocket(server: Server, address: UnixAddress): Promise<void> {
  const { path, mode, backlog } = address
  const there = lstatSync(path, { bigint: true, throwIfNoEntry: false })
  if (there !== undefined) await clear(path, there)
  if (mode === undefined) {
    server.listen({ path, backlog })
    await once(server, 'listening')
    return
  }
  // Nobody else can connect before the file has its mode.
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

/** Why nobody answers behind a socket; undefined when somebody does. */
async function refusalOf(path: string): Promise<string | undefined> {
  const client = connect({ path })
  try {
    await once(client, 'connect')
    return undefined
  } catch (error) {
    return (error as NodeJS.ErrnoException).code
  } finally {
    client.destroy()
  }
}

/**
 * Removes a socket's file when it still is the one that was looked at. Another server may have put its own there in the
 * meantime, so the file is moved away before it is looked at again, and moved back if it is not the same.
 */
export function removeStale(path: string, stale: BigIntStats): void {
  const aside = `${path}.${process.pid}`
  try {
    renameSync(path, aside)
  } catch (error) {
    // Somebody else has removed it.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  const { ino, mtimeNs } = lstatSync(aside, { bigint: true })
  if (ino === stale.ino && mtimeNs === stale.mtimeNs) unlinkSync(aside)
  else renameSync(aside, path)
}
