import { Pool } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { timelineEventKindSchema } from '../../../src/schema/timeline-event.ts'
import { withCopyClient } from '../../../src/server/connections.ts'
import { eventLines, insertEvents } from '../../../src/server/uploads/derivation/events.ts'
import type { DerivedEvent } from '../../../src/timeline/events.ts'
import { storableText } from '../../../src/timeline/events.ts'
import { migratedDatabase, type TestDatabase } from '../../support/database.ts'
import { cases, fc } from '../../support/property.ts'

let database: TestDatabase
let pool: Pool

beforeAll(async () => {
  database = await migratedDatabase()
  pool = new Pool({ connectionString: database.url, pipeline: true, max: 1 })
})

afterAll(async () => {
  await pool.end()
  await database.drop()
})

/** With all that COPY's text format has a meaning for. */
const text = fc
  .string({ unit: fc.oneof(fc.constantFrom('\\', '\t', '\n', '\r', '\\N', '\\.'), fc.string()) })
  .map((value) => storableText(value))
const event = fc.record({
  kind: fc.constantFrom(...timelineEventKindSchema.options),
  role: fc.option(text),
  occurredAt: fc.option(
    fc.date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true }),
  ),
  title: fc.option(text),
  text: fc.option(text),
  toolName: fc.option(text),
  callId: fc.option(text),
  fold: fc.option(fc.constantFrom('context' as const, 'blank' as const)),
  // Of keys that are one escaped character, the JSON.parse of some Node 24 makes a backslash.
  data: fc
    .dictionary(fc.string(), fc.oneof(text, fc.integer(), fc.constant(null)))
    .filter((data) => !('"' in data)),
  hasParent: fc.boolean(),
})

test('stores every event unchanged, whatever characters it contains', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(event, { minLength: 1 }), async (drafts) => {
      const events: DerivedEvent[] = drafts.map(({ hasParent, ...draft }, seq) => ({
        ...draft,
        seq,
        parentSeq: hasParent && seq > 0 ? seq - 1 : null,
      }))
      await pool.query('TRUNCATE sessions CASCADE')
      await pool.query(
        `INSERT INTO sessions (tenant_id, id, owner_id, title) VALUES ('a', 's', 'u', 't')`,
      )
      const origin = { tenantId: 'a', sessionId: 's', derivedBy: 'p\\1' }
      await withCopyClient(pool, (client) => insertEvents(client, eventLines(origin, events)))
      const { rows } = await pool.query(
        `SELECT tenant_id AS "tenantId", session_id AS "sessionId", derived_by AS "derivedBy", id,
           kind, role, occurred_at AS "occurredAt", title, text, tool_name AS "toolName",
           call_id AS "callId", fold, data, seq, parent_id AS "parentId"
         FROM timeline_events ORDER BY seq`,
      )
      expect(rows).toEqual(
        events.map(({ parentSeq, ...rest }) => ({
          ...origin,
          ...rest,
          id: `s:${rest.seq}`,
          parentId: parentSeq === null ? null : `s:${parentSeq}`,
        })),
      )
    }),
    { numRuns: cases(40, 1_000) },
  )
})

test('pipelines queries again after COPY, also after a failed one', async () => {
  const refused = withCopyClient(pool, (client) =>
    insertEvents(client, Buffer.from('one column\n')),
  )
  await expect(refused).rejects.toThrow('missing data for column')
  const client = await pool.connect()
  try {
    expect(client).toHaveProperty('pipeline', true)
    const answers = await Promise.all([
      client.query('SELECT 1 AS n'),
      client.query('SELECT 2 AS n'),
    ])
    expect(answers.map(({ rows }) => rows)).toEqual([[{ n: 1 }], [{ n: 2 }]])
  } finally {
    client.release()
  }
})
