import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { createShapeProtocol } from '../../../src/dev/protocol/protocol.ts'
import { nextCursor, toResponse } from '../../../src/dev/protocol/responses.ts'
import type { ShapeLog } from '../../../src/dev/protocol/shape-log.ts'
import { createShapeStore } from '../../../src/dev/protocol/shape-store.ts'
import { parseSnapshot } from '../../../src/dev/protocol/snapshot-visibility.ts'
import {
  type ShapeDefinition,
  ShapeFailure,
  type ShapeSource,
} from '../../../src/dev/protocol/source.ts'
import { eventually } from '../../support/eventually.ts'

/** A source whose snapshots are one row, and whose changes the test makes. */
function start(
  options: {
    longPollMs?: number
    secret?: string
    failure?: ShapeFailure
    /** A subset waits for this before it answers. */
    subset?: () => Promise<void>
    /** How large the one row is. */
    rowBytes?: number
  } = {},
) {
  const logs: ShapeLog[] = []
  const source: ShapeSource<ShapeDefinition, string> = {
    define: async ({ table }) => ({ definition: { key: table, schema: '{"id":{"type":"int4"}}' } }),
    defineSubset: async () => ({ subset: 'all' }),
    open(_definition, log) {
      logs.push(log)
      if (options.failure) return log.fail(options.failure)
      log.addSnapshotMessage(`{"key":"${'1'.padEnd(options.rowBytes ?? 1)}"}`)
      log.endSnapshot('{"headers":{"control":"snapshot-end"}}')
    },
    close: () => undefined,
    async readSubset() {
      await options.subset?.()
      return {
        messages: ['{"key":"1"}'],
        snapshot: parseSnapshot('5:9:7'),
        databaseLsn: 3n,
        mark: 1,
      }
    },
    lastSeenLsn: () => 99n,
    status: () => 'active',
  }
  const store = createShapeStore<ShapeDefinition>({
    chunkBytes: 1000,
    maxBytes: 100_000,
    onRemove: ({ log }) => source.close(log),
  })
  const protocol = createShapeProtocol(source, store, {
    longPollMs: options.longPollMs ?? 20,
    sseKeepAliveMs: 1000,
    sseDurationMs: 2000,
    subsetLingerMs: 0,
    secret: options.secret,
    allowShapeDeletion: true,
    onError: () => undefined,
  })
  const answer = async (request: Request) => toResponse(await protocol(request))
  const ask = (query: string, init: RequestInit = {}) =>
    answer(new Request(`http://x/v1/shape?${query}`, init))
  const change = (json: string, tx = 7n, op = 0) =>
    logs.at(-1)?.append([{ offset: { tx, op }, json }])
  return { ask, answer, logs, change, store }
}

async function handleOf(ask: (query: string) => Promise<Response>): Promise<string> {
  return (await ask('table=a&offset=-1')).headers.get('electric-handle') ?? ''
}

describe('live requests', () => {
  test('answers a waiting request with the next change', async () => {
    const { ask, change } = start({ longPollMs: 5000 })
    const handle = await handleOf(ask)
    const live = ask(`table=a&handle=${handle}&offset=0_inf&live=true`)
    await new Promise((resolve) => setImmediate(resolve))
    change('{"key":"2"}')
    const response = await live
    expect(await response.json()).toEqual([
      { key: '2' },
      { headers: { control: 'up-to-date', global_last_seen_lsn: '7' } },
    ])
    expect(response.headers.get('electric-offset')).toBe('7_0')
    expect(response.headers.get('electric-cursor')).not.toBeNull()
    expect(response.headers.get('electric-schema')).toBeNull()
  })

  test('answers up-to-date with a unique etag when no change comes', async () => {
    const { ask } = start()
    const handle = await handleOf(ask)
    const poll = () => ask(`table=a&handle=${handle}&offset=0_inf&live=true`)
    const [a, b] = [await poll(), await poll()]
    expect(a.headers.get('electric-has-data')).toBe('false')
    expect(a.headers.get('etag')).not.toBe(b.headers.get('etag'))
  })

  test('ignores an empty cursor and unknown parameters', async () => {
    const { ask } = start()
    const handle = await handleOf(ask)
    const query = `table=a&handle=${handle}&offset=0_inf&live=true&cursor=&expired_handle=x&cache-buster=1`
    expect((await ask(query)).status).toBe(200)
  })

  test.each(['live', 'live=1', 'live=yes'])(
    'treats %s as live, like any value but false',
    async (flag) => {
      const { ask } = start()
      const handle = await handleOf(ask)
      const polled = await ask(`table=a&handle=${handle}&offset=0_inf&${flag}`)
      expect(polled.headers.get('electric-cursor')).not.toBeNull()
      const read = await ask(`table=a&handle=${handle}&offset=0_inf&live=false`)
      expect(read.headers.get('electric-cursor')).toBeNull()
    },
  )

  test('answers 409 without a handle when the shape expires', async () => {
    const { ask, store } = start({ longPollMs: 5000 })
    const handle = await handleOf(ask)
    const live = ask(`table=a&handle=${handle}&offset=0_inf&live=true`)
    await new Promise((resolve) => setImmediate(resolve))
    store.remove(handle)
    const response = await live
    expect(response.status).toBe(409)
    expect(response.headers.get('electric-handle')).toBeNull()
    expect(response.headers.get('cache-control')).toBe('public, max-age=1, must-revalidate')
  })

  test('ends a waiting request when the client aborts', async () => {
    const { ask, logs } = start({ longPollMs: 60_000 })
    const handle = await handleOf(ask)
    const abort = new AbortController()
    const live = ask(`table=a&handle=${handle}&offset=0_inf&live=true`, { signal: abort.signal })
    await new Promise((resolve) => setImmediate(resolve))
    abort.abort()
    await live
    expect(logs[0]?.waiting).toBe(0)
  })
})

describe('server-sent events', () => {
  const events = (...messages: string[]) => messages.map((each) => `data: ${each}\n\n`).join('')
  const upTo = (lsn: number) =>
    `{"headers":{"control":"up-to-date","global_last_seen_lsn":"${lsn}"}}`

  test('sends the existing changes as the whole answer, with its end offset', async () => {
    const { ask, change } = start({ longPollMs: 5000 })
    const handle = await handleOf(ask)
    change('{"key":"2"}')
    const query = `table=a&handle=${handle}&offset=0_inf&live=true&live_sse=true`
    const response = await ask(query)
    expect(await response.text()).toBe(events('{"key":"2"}', upTo(7)))
    expect(response.headers.get('content-type')).toBe('text/event-stream')
    expect(response.headers.get('electric-offset')).toBe('7_0')
    expect(response.headers.get('electric-up-to-date')).toBe('')
    const etag = response.headers.get('etag') ?? ''
    expect((await ask(query, { headers: { 'if-none-match': etag } })).status).toBe(304)
  })

  test('leaves what exceeds a page to the next request', async () => {
    const { ask, change } = start({ longPollMs: 5000 })
    const handle = await handleOf(ask)
    const large = `{"key":"${'2'.padEnd(1000)}"}`
    change(large)
    change('{"key":"3"}', 8n)
    const response = await ask(`table=a&handle=${handle}&offset=0_inf&live=true&live_sse=true`)
    expect(await response.text()).toBe(events(large))
    expect(response.headers.get('electric-offset')).toBe('7_0')
    expect(response.headers.get('electric-up-to-date')).toBeNull()
  })

  test('streams later changes as they come', async () => {
    const { ask, change } = start({ longPollMs: 5000 })
    const handle = await handleOf(ask)
    const response = await ask(`table=a&handle=${handle}&offset=0_inf&live=true&live_sse=true`)
    expect(response.headers.get('electric-offset')).toBe('0_inf')
    const reader = response.body?.getReader()
    const next = async () => new TextDecoder().decode((await reader?.read())?.value)
    for (const tx of [7n, 8n]) {
      change('{"key":"2"}', tx)
      expect(await next()).toBe(events('{"key":"2"}', upTo(Number(tx))))
    }
    await reader?.cancel()
  })
})

test('never repeats the cursor that the client sent', () => {
  const now = Date.UTC(2026, 0, 1)
  const first = nextCursor(20_000, undefined, now)
  expect(nextCursor(20_000, undefined, now + 1)).not.toBe('')
  expect(nextCursor(20_000, first, now)).not.toBe(first)
})

test('answers an unknown handle with 409 and the present handle', async () => {
  const { ask } = start()
  const refused = await ask('table=a&handle=1-2&offset=0_0')
  expect(refused.status).toBe(409)
  expect(refused.headers.get('electric-handle')).toBe(await handleOf(ask))
})

test('rejects an offset beyond the log', async () => {
  const { ask } = start()
  const response = await ask(`table=a&handle=${await handleOf(ask)}&offset=500_0`)
  expect(response.status).toBe(400)
  expect(await response.json()).toMatchObject({
    errors: { offset: ['out of bounds for this shape'] },
  })
})

test('checks parameters only if there is a condition', async () => {
  const { ask } = start()
  const status = async (query: string) => (await ask(`table=a&offset=-1&${query}`)).status
  expect(await status('params[2]=x')).toBe(200)
  expect(await status('params[2]=x&where=true')).toBe(400)
})

test('waits for an offset that the log is about to reach', async () => {
  const { ask, change } = start({ longPollMs: 60_000 })
  const handle = await handleOf(ask)
  const ahead = ask(`table=a&handle=${handle}&offset=7_0`)
  const further = ask(`table=a&handle=${handle}&offset=7_0&live=true`)
  await new Promise((resolve) => setImmediate(resolve))
  change('{"key":"2"}', 7n, 0)
  expect([(await ahead).status, (await ahead).headers.get('electric-offset')]).toEqual([200, '7_0'])
  change('{"key":"3"}', 8n, 0)
  expect(await (await further).text()).toContain('{"key":"3"}')
})

test('answers with the failure of a snapshot, and tries again for the next request', async () => {
  const { ask, logs } = start({ failure: new ShapeFailure(503, 'locked', 10) })
  for (const attempt of [1, 2]) {
    const response = await ask('table=a&offset=-1')
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '10'])
    expect(logs).toHaveLength(attempt)
  }
})

test.each(['/v1/shape', '/v1/shape/', '/v1//shape', '/v1/%73hape'])(
  'requires the secret under the path %s',
  async (path) => {
    const { answer } = start({ secret: 's3cret' })
    const status = async (query: string) =>
      (await answer(new Request(`http://x${path}?table=a&offset=-1${query}`))).status
    expect(await status('')).toBe(401)
    expect(await status('&secret=wrong')).toBe(401)
    expect(await status('&secret=s3cret')).toBe(200)
    expect(await status('&api_secret=s3cret')).toBe(200)
  },
)

test('a subset carries the bounds of its snapshot and is never cached', async () => {
  const { ask } = start()
  const response = await ask('table=a&offset=-1&subset__limit=1&subset__order_by=id')
  expect(response.headers.get('cache-control')).toBe('no-cache')
  expect(response.headers.get('electric-snapshot')).toBe('true')
  expect((await response.json()).metadata).toEqual({
    xmin: '5',
    xmax: '9',
    xip_list: ['7'],
    snapshot_mark: 1,
    database_lsn: '3',
  })
})

/** A subset that is under way until the test lets it be read. */
function heldSubset() {
  let release: (() => void) | undefined
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  const read = vi.fn(() => held)
  return { read, release: () => release?.() }
}

test('a page of a large shape waits for earlier subsets; a live answer does not', async () => {
  // The time for which a large page would wait never passes.
  vi.useFakeTimers({ toFake: ['setTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  const held = heldSubset()
  const { ask, change } = start({ subset: held.read, rowBytes: 300_000 })
  const handle = await handleOf(ask)
  const order: string[] = []
  const note = (what: string) => (response: Response) => {
    order.push(what)
    return response.text()
  }
  const subset = ask('table=a&offset=-1&subset__where=true').then(note('subset'))
  await eventually(() => expect(held.read).toHaveBeenCalled())
  const end = ask(`table=a&handle=${handle}&offset=0_1`).then(note('end'))
  const first = ask('table=a&offset=-1').then(note('first page'))
  change('{"key":"2"}')
  await ask(`table=a&handle=${handle}&offset=0_inf&live=true`).then(note('live'))
  expect(order).toEqual(['live'])
  held.release()
  await subset
  expect(await end).toContain('{"key":"2"}')
  await first
  expect(order.slice(0, 2)).toEqual(['live', 'subset'])
})

test("a client that catches up with few changes of a large shape doesn't wait for subsets", async () => {
  // The time for which a large page would wait never passes.
  vi.useFakeTimers({ toFake: ['setTimeout'] })
  const held = heldSubset()
  try {
    const { ask, change } = start({ subset: held.read, rowBytes: 300_000 })
    const handle = await handleOf(ask)
    change('{"key":"2"}')
    const subset = ask('table=a&offset=-1&subset__where=true')
    const changes = await ask(`table=a&handle=${handle}&offset=0_inf`)
    expect(await changes.text()).toContain('{"key":"2"}')
    expect(held.read).toHaveBeenCalledOnce()
    held.release()
    await subset
  } finally {
    vi.useRealTimers()
  }
})

test("a page of a small shape doesn't wait for subsets", async () => {
  // The time for which a large page would wait never passes.
  vi.useFakeTimers({ toFake: ['setTimeout'] })
  const held = heldSubset()
  try {
    const { ask } = start({ subset: held.read })
    const subset = ask('table=a&offset=-1&subset__where=true')
    const first = await ask('table=a&offset=-1')
    const handle = first.headers.get('electric-handle')
    const end = await ask(`table=a&handle=${handle}&offset=0_0`)
    expect(end.headers.get('electric-up-to-date')).toBe('')
    expect(held.read).toHaveBeenCalledOnce()
    held.release()
    await subset
  } finally {
    vi.useRealTimers()
  }
})
