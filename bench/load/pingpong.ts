import { setTimeout as delay } from 'node:timers/promises'
import type { Fail } from './client.js'
import type { JobOf } from './job.js'
import { type Measured, Watch } from './measured.js'
import { PingPong } from './player.js'
import { makeTape } from './tape.js'

const TAPE_LINES = 509

/** Workload `pp`: every connection keeps `depth` lines in flight, and sends one more for each that comes back. */
export async function pingpong(job: JobOf<'pingpong'>, fail: Fail): Promise<Measured> {
  const { target, connections, depth, size, seconds } = job
  const game = new PingPong(makeTape(size, TAPE_LINES, target), depth)
  const players = Array.from({ length: connections }, (_, n) =>
    game.join(target, (n * 31) % TAPE_LINES, fail),
  )
  for (const player of players) player.serve()
  await delay(seconds * 250)
  const watch = new Watch(target.pid)
  watch.begin()
  game.restart()
  await delay(seconds * 1e3)
  const measured = watch.end(game.messages, game.histogram)
  game.over = true
  await Promise.all(players.map(player => player.finish()))
  return measured
}
