import { setTimeout as delay } from 'node:timers/promises'
import { type Comparison, compare } from '../harness.ts'
import { openPolls, type Places } from './idle-polls.ts'
import { askedDirectly, behindOurs, type Side } from './proxy-sides.ts'
import { type ServerProcess, startServerProcess } from './server-process.ts'

export const idleClients = 2_000
const samples = 3

/**
 * V8's room for new objects grows by up to 48 MB when much comes at once, and is given back when it likes: held
 * small, what is left is what the clients take.
 */
const flags = ['--max-semi-space-size=1']

/** Memory per waiting client of our proxy and of one that only pipes bytes. */
export async function measureMemory(engineUrl: string): Promise<Comparison[]> {
  return [...(await measureAt('one', engineUrl)), ...(await measureAt('each its own', engineUrl))]
}

async function measureAt(places: Places, engineUrl: string): Promise<Comparison[]> {
  const ours: number[] = []
  const least: number[] = []
  for (let sample = 0; sample < samples; sample++) {
    ours.push(await memoryPerClient('shape-proxy', places, engineUrl, behindOurs))
    least.push(await memoryPerClient('bare-proxy', places, engineUrl, askedDirectly))
  }
  const where = places === 'one' ? 'at one place' : 'each at a place of its own'
  const name = `memory per idle live client, ${idleClients} clients ${where}`
  const common = { unit: 'kB', ours }
  return [
    compare({
      ...common,
      name,
      reference: [20],
      referenceName: 'what it may be',
      goal: { ratio: 1 },
    }),
    compare({
      ...common,
      name: `${name}, over a bare proxy`,
      reference: least,
      referenceName: 'the least proxy Node can be',
    }),
  ]
}

export async function memoryPerClient(
  program: 'shape-proxy' | 'bare-proxy',
  places: Places,
  engineUrl: string,
  behind: (server: ServerProcess) => Side,
): Promise<number> {
  const argument = { electricUrl: engineUrl }
  const server = await startServerProcess({ program, argument, nodeFlags: flags })
  const side = behind(server)
  try {
    // They stay connected: freed memory would be reused, and later clients would seem to need less.
    const first = await openPolls(side, idleClients / 4, places)
    const before = await settledRss(server)
    const crowd = await openPolls(side, idleClients, places)
    const after = await settledRss(server)
    first.close()
    crowd.close()
    return (after - before) / 1000 / idleClients
  } finally {
    await server.stop()
  }
}

/** One garbage collection does not find all garbage. */
async function settledRss(server: ServerProcess): Promise<number> {
  await server.usage()
  await delay(2_000)
  return (await server.usage()).rss
}
