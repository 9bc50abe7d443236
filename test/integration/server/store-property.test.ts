import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SessionDbError } from '../../../src/errors.ts'
import type { Principal } from '../../../src/schema/index.ts'
import { createSessionStore } from '../../../src/server/store/index.ts'
import { parseWriteBatch, type WriteBatch } from '../../../src/writes/index.ts'
import { cases, fc } from '../../support/property.ts'
import { anySending, firstSendings, type Sending } from './random-batches.ts'
import { openDatabase, storeDrivers } from './store-drivers.ts'
import { type StoreFixture, startStore } from './store-fixture.ts'
import { createOracle, type OracleAnswer } from './store-oracle.ts'
import { expectTrueCounters } from './true-counters.ts'
import { startWireTap } from './wire-tap.ts'

const RUNS = cases(10, 200)

/**
 * postgres.js 3.4.9 throws an uncatchable error, and never answers, when a connection ends just before
 * it writes to it.
 */
const sturdyDrivers = storeDrivers.filter((driver) => driver !== 'postgres.js')

let fixture: StoreFixture

beforeAll(async () => {
  fixture = await startStore()
})
afterAll(() => fixture.close())

async function answerOf(
  principal: Principal,
  batch: WriteBatch,
  store = fixture.store,
): Promise<OracleAnswer> {
  try {
    const { txid, mutations } = await store.write(principal, batch)
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

/** The columns of the oracle, under its names. */
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

/** Compares all stored rows with the oracle's. */
async function expectState(oracle: Oracle): Promise<void> {
  for (const name of Object.keys(FINAL_STATE) as (keyof typeof FINAL_STATE)[]) {
    const rows = await fixture.rows(FINAL_STATE[name])
    expect(inOrder(rows.map((row) => Object.values(row)))).toEqual(
      inOrder(oracleState(oracle, name)),
    )
  }
}

const inOrder = (rows: unknown[][]) => rows.map((row) => JSON.stringify(row)).sort()

describe('random batches by random principals', () => {
  test('in sequence give the oracle’s results and final state', async () => {
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
        await expectState(oracle)
      }),
      { numRuns: RUNS },
    )
    // The batches are useful only if they get every kind of result and often change something (about a
    // quarter of them does).
    expect([...seen.keys()].sort()).toEqual(['applied', 'conflict', 'forbidden', 'not_found'])
    expect(seen.get('applied')).toBeGreaterThan([...seen.values()].reduce((a, b) => a + b) / 7)
  })

  test('run concurrently keep counters correct and tenants separate, and apply once', async () => {
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

  test.each(sturdyDrivers)(
    'while connections are cut at any byte and ended by the server, over %s: as the oracle says',
    async (driver) => {
      const tap = await startWireTap(fixture.url)
      const lanes = fc.array(fc.array(anySending, { minLength: 8, maxLength: 16 }), {
        minLength: 4,
        maxLength: 4,
      })
      const distances = fc.array(fc.integer({ min: 1, max: 30_000 }), {
        minLength: 20,
        maxLength: 20,
      })
      const crashRuns = Math.ceil(RUNS / 10)
      let retries = 0
      await fc.assert(
        fc.asyncProperty(lanes, distances, async (lanes, distances) => {
          await fixture.rows('DELETE FROM sessions; DELETE FROM applied_batches')
          const opened = openDatabase(driver, tap.url)
          const store = createSessionStore({ database: opened.database })
          const oracle = createOracle()
          let cuts = 0
          // It ends, because distances that are all shorter than a write would let none through.
          tap.cutEvery(() => {
            cuts += 1
            return cuts > 200 ? Number.POSITIVE_INFINITY : (distances[cuts % distances.length] ?? 1)
          })

          const untilAnswered = async (principal: Principal, batch: WriteBatch) => {
            for (;;) {
              const answer = await answerOf(principal, batch, store)
              if (!('code' in answer) || answer.code !== 'unavailable') return answer
              retries += 1
            }
          }
          // Each lane is a tenant, so only the order within a lane matters. A batch is sent several times
          // concurrently, and the next one after all responses.
          const runLane = async (sendings: readonly Sending[], lane: number) => {
            for (const [index, sending] of [...firstSendings, ...sendings].entries()) {
              const principal = { ...sending.principal, tenantId: `lane-${lane}` }
              const batch = batchOf(sending, index)
              const times = Array.from({ length: sending.sends + 1 })
              const answers = times.map(() => untilAnswered(principal, batch))
              if (index % 7 === lane) await endSomeConnection()
              const expected = oracle.apply(principal, batch)
              expect(await Promise.all(answers)).toEqual(times.map(() => expected))
            }
          }
          await Promise.all(lanes.map(runLane))
          tap.cutEvery(() => Number.POSITIVE_INFINITY)
          await store.close()
          await opened.close()
          await expectState(oracle)
          await expectTrueCounters(fixture.pool)
        }),
        { numRuns: crashRuns, endOnFailure: true },
      )
      await tap.close()
      expect(retries).toBeGreaterThan(crashRuns)
    },
  )
})

function endSomeConnection(): Promise<unknown> {
  return fixture.rows(`
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
    ORDER BY random() LIMIT 1`)
}
