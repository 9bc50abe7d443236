import { LogicalReplicationService } from 'pg-logical-replication'
import { afterEach, expect, test, vi } from 'vitest'
import { startFixture, until } from './fixture.ts'

afterEach(() => vi.restoreAllMocks())

test('acknowledges a burst of commits now and then, and its end', async () => {
  const acknowledge = vi.spyOn(LogicalReplicationService.prototype, 'acknowledge')
  const fixture = await startFixture('CREATE TABLE items (id int PRIMARY KEY)')
  try {
    const first = await fixture.get({ table: 'items', offset: '-1' })
    const handle = first.headers.get('electric-handle') ?? ''
    const started = performance.now()
    for (let id = 1; id <= 300; id++) await fixture.sql.query(`INSERT INTO items VALUES (${id})`)
    await until('the last change is served', async () => {
      const response = await fixture.get({ table: 'items', handle, offset: '0_inf' })
      return (await response.text()).includes('"300"')
    })
    const tenths = (performance.now() - started) / 100
    expect(acknowledge.mock.calls.length).toBeGreaterThan(0)
    expect(acknowledge.mock.calls.length).toBeLessThan(tenths + 10)
    const { rows } = await fixture.sql.query('SELECT pg_current_wal_flush_lsn() AS lsn')
    await until('Postgres knows that the last commit has arrived', async () => {
      const slots = await fixture.sql.query(
        `SELECT bool_and(confirmed_flush_lsn >= $1) AS confirmed FROM pg_replication_slots
         WHERE database = current_database()`,
        [rows[0].lsn],
      )
      return slots.rows[0].confirmed
    })
  } finally {
    await fixture.close()
  }
})

test('leaves no timer behind when closed while waiting to stream again', async () => {
  const timers = new Set<unknown>()
  const { setInterval, clearInterval } = globalThis
  const remembering = (...call: Parameters<typeof setInterval>) => {
    const timer = setInterval(...call)
    timers.add(timer)
    return timer
  }
  vi.spyOn(globalThis, 'setInterval').mockImplementation(remembering as typeof setInterval)
  vi.spyOn(globalThis, 'clearInterval').mockImplementation((timer) => {
    timers.delete(timer)
    clearInterval(timer)
  })
  const told: string[] = []
  const fixture = await startFixture('CREATE TABLE items (id int PRIMARY KEY)', {
    onEvent: (event) => told.push(event.message),
  })
  expect(timers.size).toBeGreaterThan(0)
  await fixture.sql.query(
    `SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots
     WHERE database = current_database()`,
  )
  await until('the stream has broken off', () => told.includes('the replication stream broke off'))
  await fixture.close()
  expect(timers.size).toBe(0)
})
