import { existsSync } from 'node:fs'

/** Why tests of threads that accept are skipped. */
export const WITHOUT_NEWER_NODE = 'needs Node 22.12, which `node test/nodes.js 26 FILE` fetches, on Linux'

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)

/** A Node in which each thread can have a listening socket of its own: this one, or one that test/nodes.js has fetched. */
function findNewerNode(): string | undefined {
  if (process.platform !== 'linux') return undefined
  if (major > 22 || (major === 22 && minor >= 12)) return process.execPath
  const binary = `node_modules/node-linux-${process.arch}/bin/node`
  return ['26', '24', '22'].map(version => `.cache/node-${version}/${binary}`).find(path => existsSync(path))
}

export const NEWER_NODE = findNewerNode()
