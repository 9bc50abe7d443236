import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { LEGACY_THREAD } from './support/app.ts'
import { type Demo, startDemo, temporaryDataDir } from './support/demo.ts'
import { signIn } from './support/http.ts'

let dataDir: Awaited<ReturnType<typeof temporaryDataDir>>
let demo: Demo

beforeAll(async () => {
  dataDir = await temporaryDataDir()
  demo = await startDemo({ dataDir: dataDir.path })
})

afterAll(async () => {
  await demo?.stop()
  await dataDir?.remove()
})

function message(number: number) {
  const value = {
    id: `burst-${number}`,
    threadId: LEGACY_THREAD,
    role: 'user',
    content: `burst ${number}`,
  }
  return {
    id: `batch-${number}`,
    mutations: [{ collection: 'chatMessages', type: 'insert', value }],
  }
}

interface Counts {
  readonly burst: number[]
  readonly counted: number
  readonly stored: number
  readonly positions: number
}

async function countMessages(databaseUrl: string): Promise<Counts> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    const burst = await client.query<{ n: number }>(
      `SELECT substr(id, 7)::int AS n FROM chat_messages WHERE id LIKE 'burst-%' ORDER BY 1`,
    )
    const thread = await client.query<Omit<Counts, 'burst'>>(
      `SELECT message_count AS counted, count(*)::int AS stored,
         count(DISTINCT position)::int AS positions
       FROM chat_threads t JOIN chat_messages m ON (m.tenant_id, m.thread_id) = (t.tenant_id, t.id)
       WHERE t.id = $1 GROUP BY t.tenant_id, t.id`,
      [LEGACY_THREAD],
    )
    const counts = thread.rows[0]
    if (counts === undefined) throw new Error('the thread is gone')
    return { burst: burst.rows.map(({ n }) => n), ...counts }
  } finally {
    await client.end()
  }
}

test('kill -9 during a burst of writes neither loses nor doubles an acknowledged write', async () => {
  const { stored: before } = await countMessages(demo.databaseUrl)
  const acknowledged = new Set<number>()
  const sent = new Set<number>()
  const session = await signIn(demo.url, 'ann')
  let next = 0
  const writer = async (): Promise<void> => {
    for (;;) {
      const number = next++
      sent.add(number)
      const response = await session.write(message(number)).catch(() => undefined)
      if (response === undefined) return
      if (response.status === 200) acknowledged.add(number)
      if (acknowledged.size === 200) demo.process.kill('SIGKILL')
    }
  }
  await Promise.all(Array.from({ length: 8 }, writer))
  expect(acknowledged.size).toBeGreaterThanOrEqual(200)

  await demo.kill()
  demo = await startDemo({ dataDir: dataDir.path })
  const { burst: survived } = await countMessages(demo.databaseUrl)
  expect([...acknowledged].filter((number) => !survived.includes(number))).toEqual([])
  expect(survived.filter((number) => !sent.has(number))).toEqual([])

  // Clients without an answer send the same batch again: every message is stored exactly once.
  const again = await signIn(demo.url, 'ann')
  for (const number of sent) {
    expect((await again.write(message(number))).status).toBe(200)
  }
  const total = before + sent.size
  expect(await countMessages(demo.databaseUrl)).toEqual({
    burst: [...sent].sort((a, b) => a - b),
    counted: total,
    stored: total,
    positions: total,
  })
})
