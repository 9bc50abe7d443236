import { join } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { createFrameReader, FRAME_TYPE } from '../../../src/live/frames.ts'
import { createShutdown } from '../../../src/server/index.ts'
import { migratedDatabase, type TestDatabase } from '../../support/database.ts'
import { eventually } from '../../support/eventually.ts'
import { runProgram } from '../../support/program.ts'
import { type FakeElectric, startFakeElectric } from '../../unit/proxy/fake-electric.ts'
import { listen } from '../../unit/proxy/serve.ts'

const PROGRAM = join(import.meta.dirname, 'shutdown.program.ts')
const LIVE = 'audience=user%3Aada&offset=0_0&handle=h1&cursor=7'
let database: TestDatabase
let electric: FakeElectric

beforeAll(async () => {
  database = await migratedDatabase()
  electric = await startFakeElectric()
  // Holds polls, and sends the first event of a stream.
  electric.answerWith(({ query }, response) => {
    if (query.has('live_sse')) response.writeHead(200).write('data: first\n\n')
  })
})
afterAll(async () => {
  await electric.close()
  await database.drop()
})

test('a server with live clients answers all of them and exits', async () => {
  const program = runProgram(PROGRAM, [electric.url, database.url])
  onTestFinished(() => program.kill('SIGKILL'))
  const url = await program.firstLine
  const shapes = `${url}/api/shapes`
  const poll = fetch(`${shapes}/sessions?${LIVE}&live=true`)
  const batch = await fetch(`${shapes}/_live`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ polls: [{ shape: 'sessions', query: `${LIVE}1&live=true` }] }),
  })
  const events = await fetch(`${shapes}/sessions?${LIVE}&live=true&live_sse=true`)
  const slow = await fetch(`${url}/slow`)
  await eventually(() => expect(electric.seen).toHaveLength(3))

  const begun = performance.now()
  program.kill('SIGTERM')
  expect(await program.ended).toEqual({ code: 0, signal: null })
  // 0.2 s when nothing else runs; ten seconds are the limit after which connections are cut.
  expect(performance.now() - begun).toBeLessThan(5_000)
  expect(program.output.stderr).toBe('')

  const answer = await poll
  expect(answer.status).toBe(200)
  expect(answer.headers.get('electric-cursor')).toBe('7')
  expect(await answer.json()).toEqual([{ headers: { control: 'up-to-date' } }])
  const frames = createFrameReader()(new Uint8Array(await batch.arrayBuffer()))
  expect([...frames].map(({ type }) => type)).toEqual([FRAME_TYPE.hello])
  expect(await events.text()).toBe('data: first\n\n')
  expect(await slow.text()).toBe('first last')
})

test('cuts requests off that take too long, reports failures, and closes the rest', async () => {
  const { server, url } = await listen((_request, response) => void response.write('endless'))
  const response = await fetch(url)
  const order: string[] = []
  const onError = vi.fn()
  const failure = new Error('The job is stuck.')
  const shutdown = createShutdown({
    server,
    timeoutMs: 50,
    stop: [() => Promise.reject(failure), { stop: () => void order.push('worker') }],
    close: [
      { close: async () => void order.push('store') },
      { end: () => void order.push('pool') },
    ],
    onError,
  })
  const first = shutdown()
  expect(shutdown()).toBe(first)
  await first
  expect(order).toEqual(['worker', 'store', 'pool'])
  expect(onError.mock.calls).toEqual([[failure]])
  await expect(response.text()).rejects.toThrow()
})

test('waits for a server of another runtime until the time is over', async () => {
  const closed = vi.fn()
  const stopped = createShutdown({ server: async () => {}, close: [closed] })
  await stopped()
  const stuck = createShutdown({
    server: () => new Promise(() => {}),
    timeoutMs: 20,
    close: [closed],
  })
  await stuck()
  expect(closed).toHaveBeenCalledTimes(2)
})
