import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { LEGACY_SESSION, LEGACY_THREAD } from './support/app.ts'
import { type Demo, startDemo, temporaryDataDir } from './support/demo.ts'
import { type HttpSession, signIn } from './support/http.ts'

let dataDir: Awaited<ReturnType<typeof temporaryDataDir>>
let demo: Demo
let client: pg.Client
let ann: HttpSession
let eve: HttpSession

beforeAll(async () => {
  dataDir = await temporaryDataDir()
  demo = await startDemo({ dataDir: dataDir.path })
  client = new pg.Client({ connectionString: demo.databaseUrl })
  await client.connect()
  ann = await signIn(demo.url, 'ann')
  eve = await signIn(demo.url, 'eve')
})

afterAll(async () => {
  await client?.end()
  await demo?.stop()
  await dataDir?.remove()
})

const TABLES = ['sessions', 'timeline_events', 'chat_threads', 'chat_messages', 'applied_batches']

/** Returns a digest of all stored rows. */
async function everything(): Promise<unknown[]> {
  const digests = []
  for (const table of TABLES) {
    const { rows } = await client.query(
      `SELECT count(*), md5(string_agg(t::text, '' ORDER BY t::text)) FROM ${table} t`,
    )
    digests.push(rows)
  }
  return digests
}

async function refusal(response: Response): Promise<[number, string]> {
  const body = (await response.json()) as { error: { code: string; message: string } }
  expect(body.error.message).not.toBe('')
  return [response.status, body.error.code]
}

const append = (value: Record<string, unknown>) => ({
  id: `bad-${Math.random()}`,
  mutations: [
    {
      collection: 'chatMessages',
      type: 'insert',
      value: { id: 'm-bad', threadId: LEGACY_THREAD, role: 'user', content: 'x', ...value },
    },
  ],
})
const rename = (id: string) => ({
  id: `bad-${Math.random()}`,
  mutations: [{ collection: 'sessions', type: 'update', id, changes: { title: 'Mine now' } }],
})

test.each<[string, () => Promise<Response>, number, string]>([
  ['an unknown shape', () => ann.get('/api/shapes/users?offset=-1'), 404, 'not_found'],
  ['a missing parameter', () => ann.get('/api/shapes/session-threads?offset=-1'), 400, 'invalid'],
  [
    'a where of its own',
    () => ann.get('/api/shapes/sessions?offset=-1&where=true'),
    400,
    'invalid',
  ],
  [
    'an oversized message',
    () => ann.write(append({ content: 'x'.repeat(1_048_577) })),
    413,
    'too_large',
  ],
  ['an unknown column', () => ann.write(append({ isAdmin: true })), 400, 'invalid'],
  ["a foreign tenant's thread", () => eve.write(append({})), 404, 'not_found'],
  ["a foreign tenant's session", () => eve.write(rename(LEGACY_SESSION)), 404, 'not_found'],
  ['an id that is nowhere', () => eve.write(rename('nowhere')), 404, 'not_found'],
  ['JSON that is not JSON', () => ann.write('{"id": '), 400, 'invalid'],
  [
    'nobody in particular',
    () => fetch(new URL('/api/shapes/sessions?offset=-1', demo.url)),
    401,
    'unauthenticated',
  ],
])(
  '%s is refused with a typed error and nothing is written',
  async (_name, attempt, status, code) => {
    const before = await everything()
    expect(await refusal(await attempt())).toEqual([status, code])
    expect(await everything()).toEqual(before)
  },
)

test('answers the same for absent and forbidden rows', async () => {
  const answers = await Promise.all([
    eve.write(rename(LEGACY_SESSION)),
    eve.write(rename('nowhere')),
  ])
  const [there, nowhere] = await Promise.all(answers.map((answer) => answer.text()))
  expect(there).toBe(nowhere)
})
