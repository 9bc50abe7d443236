import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SessionDbError } from '../../../src/errors.ts'
import type { Principal } from '../../../src/schema/index.ts'
import { parseWriteBatch, type WriteBatch } from '../../../src/writes/index.ts'
import { anySending, firstSendings, type Sending } from './random-batches.ts'
import { type StoreFixture, startStore } from './store-fixture.ts'
import { createOracle, type OracleAnswer } from './store-oracle.ts'
import { expectTrueCounters } from './true-counters.ts'

/** More by hand, or where there is time: `STORE_RUNS=200`. */
const RUNS = Number(process.env.STORE_RUNS ?? 10)

let fixture: StoreFixture

beforeAll(async () => {
  fixture = await startStore()
})
afterAll(() => fixture.close())

async function answerOf(principal: Principal, batch: WriteBatch): Promise<OracleAnswer> {
  try {
    const { txid, mutations } = await fixture.store.write(principal, batch)
    return { changed: txid !== null, mutations }
  } catch (error) {
    if (error instanceof SessionDbError) return { code: error.code }
    throw error
  }
}

function batchOf({ mutations, reusedId }: Sending, index: number): WriteBatch {
  const id = reusedId === null ? `batch-${index}` : `batch-${reusedId % (index + 1)}`
  return parseWriteBatch({ id, mutations })
}

/** The columns that the oracle knows, spelled as it spells them. */
const FINAL_STATE = {
  sessions: `SELECT tenant_id, id, owner_id, version, visibility, title FROM sessions`,
  timelineEvents: `SELECT tenant_id, id, session_id, seq, title FROM timeline_events`,
  chatThreads: `SELECT tenant_id, id, session_id, created_by, version, mode, title, status,
    message_count, last_position::int, last_message_preview FROM chat_threads`,
  chatMessages: `SELECT tenant_id, id, session_id, thread_id, author_id, version, content,
    client_message_id, position::int FROM chat_messages`,
} as const

type Oracle = ReturnType<typeof createOracle>

function oracleState(oracle: Oracle, name: keyof typeof FINAL_STATE): unknown[][] {
  const rows = [...oracle.tables()[name].values()]
  return rows.map(({ tenant, id, session, thread, by, version, values: v }) => {
    const rest: Record<typeof name, unknown[]> = {
      sessions: [by, version, v.visibility, v.title],
      timelineEvents: [session, v.seq, v.title],
      chatThreads: [
        session,
        by,
        version,
        v.mode,
        v.title,
        v.status,
        v.count,
        v.lastPosition,
        v.preview,
      ],
      chatMessages: [session, thread, by, version, v.content, v.clientMessageId, v.position],
    }
    return [tenant, id, ...rest[name]]
  })
}

const inOrder = (rows: unknown[][]) => rows.map((row) => JSON.stringify(row)).sort()

describe('any batches by any principals', { timeout: 120_000 }, () => {
  test('one after the other: every answer and the final state are the oracle’s', async () => {
    const seen = new Map<string, number>()
    await fc.assert(
      fc.asyncProperty(fc.array(anySending, { minLength: 20, maxLength: 60 }), async (sendings) => {
        await fixture.rows('DELETE FROM sessions; DELETE FROM applied_batches')
        const oracle = createOracle()
        for (const [index, sending] of [...firstSendings, ...sendings].entries()) {
          const batch = batchOf(sending, index)
          for (let send = 0; send < sending.sends; send += 1) {
            const expected = oracle.apply(sending.principal, batch)
            expect(await answerOf(sending.principal, batch)).toEqual(expected)
            const kind = 'code' in expected ? expected.code : 'applied'
            seen.set(kind, (seen.get(kind) ?? 0) + 1)
          }
        }
        for (const name of Object.keys(FINAL_STATE) as (keyof typeof FINAL_STATE)[]) {
          const rows = await fixture.rows(FINAL_STATE[name])
          expect(inOrder(rows.map((row) => Object.values(row)))).toEqual(
            inOrder(oracleState(oracle, name)),
          )
        }
      }),
      { numRuns: RUNS },
    )
    // The batches are of use only when they meet every answer there is, and often change something
    // (a quarter of them does, give or take).
    expect([...seen.keys()].sort()).toEqual(['applied', 'conflict', 'forbidden', 'not_found'])
    expect(seen.get('applied')).toBeGreaterThan([...seen.values()].reduce((a, b) => a + b) / 7)
  })

  test('all at once: counters true, tenants apart, each batch applied once', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anySending, { minLength: 20, maxLength: 60 }), async (sendings) => {
        await fixture.rows('DELETE FROM sessions; DELETE FROM applied_batches')
        for (const [index, sending] of firstSendings.entries()) {
          await answerOf(sending.principal, batchOf(sending, index))
        }
        const writes = sendings.map((sending, index) => {
          const batch = batchOf({ ...sending, reusedId: null }, firstSendings.length + index)
          const send = () => answerOf(sending.principal, batch)
          return { batch, answers: Promise.all([send(), send()]) }
        })
        for (const { batch, answers } of writes) {
          const [one, other] = await answers
          const applied = await fixture.rows('SELECT FROM applied_batches WHERE batch_id = $1', [
            batch.id,
          ])
          const wasApplied = [one, other].filter((answer) => 'mutations' in answer)
          expect(applied).toHaveLength(wasApplied.length > 0 ? 1 : 0)
          if (wasApplied.length === 2) expect(one).toEqual(other)
          expect(JSON.stringify([one, other])).not.toContain('unavailable')
        }
        await expectTrueCounters(fixture.pool)
        const strays = await fixture.rows(
          `SELECT FROM chat_threads WHERE status = 'active'
           GROUP BY tenant_id, session_id, mode HAVING count(*) > 1`,
        )
        expect(strays).toEqual([])
      }),
      { numRuns: RUNS },
    )
  })
})
