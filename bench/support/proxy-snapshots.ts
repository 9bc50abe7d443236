import { type BenchContext, type Comparison, compare, interleave, timed } from '../harness.ts'
import { readWithElectricClient } from './electric-reader.ts'
import type { HttpClient } from './http-get.ts'
import { againstBoth, type Side, type Sides } from './proxy-sides.ts'
import type { ServerProcess } from './server-process.ts'
import { deleteShape, readWholeShape, shapeEndpoint } from './shape-reader.ts'

/** A large snapshot by each way, when the engine has it and when not: what it takes, and of the processors. */
export async function measureSnapshots(
  { rounds }: BenchContext,
  http: HttpClient,
  sides: Sides,
  servers: { readonly proxy: ServerProcess; readonly roomy: ServerProcess },
): Promise<Comparison[]> {
  const read = (side: Side) => () =>
    timed(() => readWholeShape(http, side.url('large'), side.query('large')))
  const processor: Record<string, number[]> = { proxy: [], roomy: [], client: [] }
  /** The time as well, and what the processors were needed for. */
  const watched = (server: 'proxy' | 'roomy', side: Side) => async () => {
    const cpuMs = async () => (await servers[server].usage({ collectGarbage: false })).cpuMs
    const [before, client] = [await cpuMs(), process.cpuUsage()]
    const ms = await read(side)()
    const { user, system } = process.cpuUsage(client)
    processor[server]?.push((await cpuMs()) - before)
    if (server === 'proxy') processor.client?.push((user + system) / 1000)
    return ms
  }
  /** As its first reader finds it: the engine has to make it. */
  const readNew = (side: Side) => async () => {
    await deleteShape(http, sides.direct.url('large'), sides.direct.query('large'))
    return read(side)()
  }
  const made = await interleave(rounds, {
    proxied: readNew(sides.proxied),
    bare: readNew(sides.bare),
    direct: readNew(sides.direct),
  })
  const samples = await interleave(rounds, {
    proxied: watched('proxy', sides.proxied),
    bare: read(sides.bare),
    roomy: watched('roomy', sides.roomy),
    direct: read(sides.direct),
  })
  const readRows = (side: Side) => () =>
    timed(() => readWithElectricClient(shapeEndpoint(side.url('large')), side.query('large')))
  const rows = await interleave(rounds, {
    proxied: readRows(sides.proxied),
    bare: readRows(sides.bare),
    direct: readRows(sides.direct),
  })
  const [, ...proxy] = processor.proxy ?? []
  const [, ...roomy] = processor.roomy ?? []
  const [, ...client] = processor.client ?? []
  const name = 'snapshot of 100 MB'
  const goal = { ratio: 1 / 0.9 }
  const heap = 'the least proxy, with an app’s heap'
  const ours = { unit: 'ms', ours: proxy }
  return [
    ...againstBoth(`${name}, Electric’s client`, rows, goal),
    ...againstBoth(name, samples, goal),
    ...againstBoth(`${name}, new shape`, made, goal),
    compare({
      name: `${name}, over a bare proxy with an app’s heap`,
      unit: 'ms',
      ours: samples.proxied,
      reference: samples.roomy,
      referenceName: heap,
    }),
    compare({ ...ours, name: `${name}, processor time`, reference: roomy, referenceName: heap }),
    compare({
      ...ours,
      name: `${name}, processor time against the client’s`,
      reference: client,
      referenceName: 'the client that reads it',
    }),
  ]
}
