import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  type CollectionName,
  ownTables,
  type Principal,
  tables,
} from '../../../src/schema/index.ts'
import { runWrite } from '../../../src/server/index.ts'
import {
  createMemoryWriteAdapter,
  createShapeMock,
  type ShapeMock,
} from '../../../src/testing/index.ts'
import { databaseOf } from '../../../src/testing/shape-mock.ts'
import { rowText } from '../../../src/testing/wire-text.ts'
import { indexWords } from '../../../src/timeline/search-words.ts'
import type { WriteBatchInput, WriteOutcome } from '../../../src/writes/index.ts'
import { cases, fc } from '../../support/property.ts'
import { anySending, anySetting, firstSendings, type Sending } from '../server/random-batches.ts'
import { type StoreFixture, startStore } from '../server/store-fixture.ts'

let fixture: StoreFixture

beforeAll(async () => {
  fixture = await startStore({ requestLimits: false })
})
afterAll(() => fixture.close())

const TIMES = /_at$/

test('random batches have the same outcome in memory as in Postgres', async () => {
  const any = fc.oneof({ weight: 4, arbitrary: anySending }, anySetting)
  const runs = fc.array(any, { minLength: 5, maxLength: 40 })
  await fc.assert(
    fc.asyncProperty(runs, async (sendings) => {
      await empty()
      const mock = createShapeMock({ electricUrl: 'http://app.test/api/shapes' })
      for (const [index, sending] of [...firstSendings, ...sendings].entries()) {
        const batch = batchOf(sending, index)
        for (let sends = 0; sends < sending.sends; sends += 1) {
          const inPostgres = await writeToStore(sending.principal, batch)
          const inMemory = await writeToMock(mock, sending.principal, batch)
          expect(comparable(inMemory)).toEqual(comparable(inPostgres))
        }
      }
      for (const collection of Object.keys(tables) as CollectionName[]) {
        expect(rowsInMemory(mock, collection)).toEqual(await rowsInPostgres(collection))
      }
      for (const { name } of Object.values(ownTables)) {
        const inMemory = [...databaseOf(mock).database.rowsOf(name)].map(comparableRow)
        const columns = Object.keys(inMemory[0] ?? {}).map((column) => `${column}::text`)
        if (columns.length === 0) columns.push("'none' AS row")
        const rows = await fixture.rows(`SELECT ${columns.join(', ')} FROM ${name}`)
        expect(sorted(inMemory)).toEqual(sorted(rows.map(comparableRow)))
      }
    }),
    { numRuns: cases(30, 300) },
  )
})

test('refuses what the store refuses before it looks at any row', async () => {
  const ann = { tenantId: 'red', userId: 'ann' }
  const nobody = { tenantId: '', userId: 'ann' }
  const event = { collection: 'timelineEvents', type: 'delete', id: 'e1' } as const
  const huge = { id: 'm1', threadId: 't1', role: 'user', content: '€'.repeat(400_000) } as const
  const cases: [Principal, unknown][] = [
    [ann, {}],
    [ann, { id: 'b', mutations: [{ collection: 'sessions', type: 'insert', value: { id: 's' } }] }],
    [ann, { id: 'b', mutations: [{ ...event, expectedVersion: 1 }] }],
    [ann, { id: 'b', mutations: [{ collection: 'chatMessages', type: 'insert', value: huge }] }],
    [nobody, { id: 'b', mutations: [event] }],
  ]
  const mock = createShapeMock({ electricUrl: 'http://app.test/api/shapes' })
  for (const [principal, batch] of cases) {
    const inPostgres = await writeToStore(principal, batch as WriteBatchInput)
    expect(inPostgres).toHaveProperty('error')
    const inMemory = await writeToMock(mock, principal, batch as WriteBatchInput)
    expect(inMemory).toEqual(inPostgres)
  }
})

function batchOf({ mutations, reusedId }: Sending, index: number): WriteBatchInput {
  const id = reusedId === null ? `batch-${index}` : `batch-${reusedId % (index + 1)}`
  return { id, mutations: [...mutations] }
}

async function empty(): Promise<void> {
  await fixture.pool.query('TRUNCATE sessions, applied_batches CASCADE')
}

/** Both apply the roles of a client: ada may write messages of tools, bob has the default. */
const rolesOf = ({ userId }: Principal) =>
  userId === 'ada' ? ({ messageRoles: ['user', 'tool'] } as const) : {}

function writeToStore(principal: Principal, batch: WriteBatchInput): Promise<WriteOutcome> {
  return runWrite(fixture.store, principal, batch, rolesOf(principal))
}

function writeToMock(mock: ShapeMock, principal: Principal, batch: WriteBatchInput) {
  return createMemoryWriteAdapter(mock, { principal, ...rolesOf(principal) })(batch)
}

/** Two databases count transactions differently; whether there was one they agree on. */
function comparable(outcome: WriteOutcome): unknown {
  return 'txid' in outcome ? { ...outcome, txid: outcome.txid !== null } : outcome
}

function rowsInMemory(mock: ShapeMock, collection: CollectionName) {
  const { columns } = tables[collection]
  return sorted(mock.rows(collection).map((row) => comparableRow(rowText(columns, row))))
}

async function rowsInPostgres(collection: CollectionName) {
  const { name, columns } = tables[collection]
  const texts = Object.values(columns).map((column) => `${column.name}::text`)
  return sorted((await fixture.rows(`SELECT ${texts.join(', ')} FROM ${name}`)).map(comparableRow))
}

/** The two have different clocks: of a time only whether there is one is compared. */
function comparableRow(row: Record<string, unknown>) {
  // The head before the last statement is for that statement alone; one may write several messages.
  const { previous_head_id: _, ...kept } = row
  const entries = Object.entries(kept).map(([name, value]) => [
    name,
    TIMES.test(name) ? value !== null : value,
  ])
  // The id of a grant that follows from a session's visibility is random.
  if (row.grantee === 'tenant') entries.push(['id', row.session_id])
  // A trigger repeats words that the index has already: the indexed words are compared.
  if (typeof row.more_words === 'string') {
    const words = indexWords(`${row.title ?? ''} ${row.more_words}`)
    entries.push(['more_words', [...new Set(words)].sort()])
  }
  return Object.fromEntries(entries)
}

function sorted(rows: Record<string, unknown>[]) {
  const keyOf = (row: Record<string, unknown>) =>
    JSON.stringify([row.tenant_id, row.id ?? row.thread_id ?? row.message_id, row.user_id])
  return rows.sort((one, other) => (keyOf(one) < keyOf(other) ? -1 : 1))
}
