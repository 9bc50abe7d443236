import type { Pool, PoolClient, QueryConfig } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createSessionStore } from '../../../src/server/store/index.ts'
import { isDeep } from '../../support/property.ts'
import { withMethod } from '../../support/with-method.ts'
import { ada, insertSession, type StoreFixture, startStore } from '../server/store-fixture.ts'
import { createTestPool } from '../server/test-pool.ts'

const EVENTS = isDeep ? 100_000 : 20_000
const MATCH = EVENTS - 2_223

let fixture: StoreFixture
let pool: Pool

beforeAll(async () => {
  fixture = await startStore({ requestLimits: false })
  // With a limit of its own, the store sends its statements as they are.
  pool = createTestPool(fixture.url, { statement_timeout: 60_000 })
  // Of a table that is nothing but this session, reading all is best.
  const sessions = ['a', 'b', 'long', 'z']
  await fixture.write(ada, ...sessions.map((id) => insertSession(id)))
  // No part of this, and most of the work of inserting.
  await fixture.rows('DROP INDEX timeline_events_document_idx')
  await fixture.rows(
    `INSERT INTO timeline_events (tenant_id, id, session_id, seq, kind, role, text)
    SELECT 'acme', session || ':' || n, session, n, 'message', 'user',
      'Line ' || n || ' ' || repeat('x', 400)
    FROM unnest($1::text[]) session, generate_series(0, ${EVENTS - 1}) n ORDER BY 3, 4`,
    [sessions],
  )
  await fixture.rows('ANALYZE timeline_events')
})

afterAll(async () => {
  await pool.end()
  await fixture.close()
})

interface PlanNode {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly 'Index Name'?: string
  readonly 'Actual Rows': number
  readonly 'Actual Loops': number
  readonly 'Rows Removed by Filter'?: number
  readonly Plans?: readonly PlanNode[]
}

/** The statement that the store sends, as Postgres carries it out. */
async function planOf(work: (store: ReturnType<typeof createSessionStore>) => Promise<unknown>) {
  const sent: QueryConfig[] = []
  const recordQueries = (client: PoolClient) =>
    withMethod(client, 'query', (query: QueryConfig) => {
      sent.push(query)
      return client.query(query)
    })
  const recording = withMethod(pool, 'connect', async () => recordQueries(await pool.connect()))
  await work(createSessionStore({ database: recording }))
  const { text, values } = sent.find((query) => query.text.includes('timeline_events')) ?? {}
  const { rows } = await pool.query(`EXPLAIN (ANALYZE, FORMAT JSON) ${text}`, values)
  return nodesOf(rows[0]['QUERY PLAN'][0].Plan)
}

function nodesOf(node: PlanNode): PlanNode[] {
  return [node, ...(node.Plans ?? []).flatMap(nodesOf)]
}

test('reads only the events of the session, by an index, for a text filter', async () => {
  const request = { sessionId: 'long', text: `ine ${MATCH} X` }
  expect(await fixture.store.outlineTimeline(ada, request)).toEqual({
    count: 1,
    ranges: [[MATCH, MATCH + 1]],
  })
  const nodes = await planOf((store) => store.outlineTimeline(ada, request))
  // Both begin with the session.
  const indexes = nodes.map((node) => node['Index Name']).join(' ')
  expect(indexes).toMatch(/timeline_events_(seq_key|time_idx)/)
  const scan = nodes.find((node) => node['Relation Name'] === 'timeline_events')
  expect(scan?.['Node Type']).not.toBe('Seq Scan')
  const read = nodes
    .filter((node) => node['Relation Name'] === 'timeline_events')
    .map(
      (node) =>
        (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * node['Actual Loops'],
    )
  // With parallel workers the numbers are means of each, rounded.
  expect(Math.max(...read)).toBeLessThanOrEqual(EVENTS + 10)
})
