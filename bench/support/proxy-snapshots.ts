import { type BenchContext, type Comparison, compare, interleave, timed } from '../harness.ts'
import { readWithElectricClient } from './electric-reader.ts'
import type { HttpClient } from './http-get.ts'
import { againstBoth, type Side, type Sides } from './proxy-sides.ts'
import type { ServerProcess } from './server-process.ts'
import { deleteShape, readWholeShape, shapeEndpoint } from './shape-reader.ts'

const name = 'snapshot of 100 MB'
const goal = { ratio: 1 / 0.9 }

/** The proxies whose processor time is measured: with Node's default heap and with a larger one. */
export interface WatchedProxies {
  readonly proxied: ServerProcess
  readonly withRoom: ServerProcess
}

/** Time and processor time of a large snapshot by each way, cold and warm. */
export async function measureSnapshots(
  context: BenchContext,
  http: HttpClient,
  sides: Sides,
  proxies: WatchedProxies,
): Promise<Comparison[]> {
  const read = (side: Side) => () => readWholeShape(http, side.url('large'), side.query('large'))
  /** Cold: the engine has to create the snapshot. */
  const readNew = (side: Side) => async () => {
    await deleteShape(http, sides.direct.url('large'), sides.direct.query('large'))
    return read(side)()
  }
  const readRows = (side: Side) => () =>
    readWithElectricClient(shapeEndpoint(side.url('large')), side.query('large'))
  return [
    ...(await measureReads(context, sides, `${name}, Electric’s client`, readRows)),
    ...(await measureReads(context, sides, name, read)),
    ...(await measureReads(context, sides, `${name}, new shape`, readNew)),
    ...(await measureProcessorTime(context, sides, proxies, read)),
  ]
}

/** Each way in turn, with the proxy's default heap and with a larger one. */
async function measureReads(
  { rounds }: BenchContext,
  sides: Sides,
  what: string,
  read: (side: Side) => () => Promise<unknown>,
): Promise<Comparison[]> {
  const time = (side: Side) => () => timed(read(side))
  const samples = await interleave(rounds, {
    proxied: time(sides.proxied),
    withRoom: time(sides.withRoom),
    bare: time(sides.bare),
    direct: time(sides.direct),
  })
  return [
    ...againstBoth(what, samples, goal),
    compare({
      name: `${what}, with room`,
      unit: 'ms',
      ours: samples.withRoom,
      reference: samples.direct,
      referenceName: 'the engine itself',
      goal,
    }),
  ]
}

/** Measures processor time while bytes are read and not parsed. */
async function measureProcessorTime(
  { rounds }: BenchContext,
  sides: Sides,
  proxies: WatchedProxies,
  read: (side: Side) => () => Promise<unknown>,
): Promise<Comparison[]> {
  const client: number[] = []
  const cpuMs = async (proxy: ServerProcess) => (await proxy.usage({ collectGarbage: false })).cpuMs
  const watch = (proxy: ServerProcess, side: Side) => async () => {
    const [before, own] = [await cpuMs(proxy), process.cpuUsage()]
    await read(side)()
    const { user, system } = process.cpuUsage(own)
    client.push((user + system) / 1000)
    return (await cpuMs(proxy)) - before
  }
  const { proxied, withRoom } = await interleave(rounds, {
    proxied: watch(proxies.proxied, sides.proxied),
    withRoom: watch(proxies.withRoom, sides.withRoom),
  })
  const against = { unit: 'ms', reference: client, referenceName: 'the client that reads it' }
  return [
    compare({ ...against, name: `${name}, processor time`, ours: proxied }),
    compare({ ...against, name: `${name}, processor time, with room`, ours: withRoom }),
  ]
}
