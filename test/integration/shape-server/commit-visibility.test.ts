import { Client } from 'pg'
import { afterAll, expect, test } from 'vitest'
import { startEmbeddedPostgres } from '../../../src/dev/postgres/embedded-postgres.ts'
import { createShapeServer } from '../../../src/dev/shape-server/index.ts'
import { withCluster } from '../../support/cluster-template.ts'
import { temporaryDirectories } from '../../support/directories.ts'
import { until } from './fixture.ts'

const directories = temporaryDirectories()
afterAll(directories.remove)

// Needs its own Postgres: with a standby that never answers, a commit stays invisible while the stream already
// has it.
test('sends a change to clients only once queries see it', async () => {
  const postgres = await startEmbeddedPostgres({
    directory: await withCluster(await directories.create()),
  })
  const connect = async () => {
    const client = new Client({ connectionString: postgres.url })
    await client.connect()
    return client
  }
  const [writer, reader] = await Promise.all([connect(), connect()])
  await writer.query(
    'SET synchronous_commit = on; CREATE TABLE items (id int PRIMARY KEY); CREATE TABLE probes ()',
  )
  const server = await createShapeServer({ database: postgres.url })
  const ask = (query: Record<string, string>) =>
    server.fetch(new Request(`http://shapes/v1/shape?${new URLSearchParams(query)}`))
  const standby = async (setting: string) => {
    await reader.query(`ALTER SYSTEM ${setting}`)
    await reader.query('SELECT pg_reload_conf()')
  }
  try {
    const first = await ask({ table: 'items', offset: '-1' })
    const handle = first.headers.get('electric-handle') ?? ''
    await standby("SET synchronous_standby_names = 'nobody'")
    await until('commits wait for the standby', () => commitWaits(writer, reader))

    const order: string[] = []
    const live = ask({ table: 'items', handle, offset: '0_inf', live: 'true' }).then(
      async (response) => {
        order.push('client')
        return response.text()
      },
    )
    const written = writer.query('INSERT INTO items VALUES (1)').then(() => order.push('writer'))
    await until('the stream has the commit', async () => {
      const { rows } = await reader.query(
        `SELECT bool_and(sent_lsn >= pg_current_wal_flush_lsn()) AS sent, (
           SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep') AS waiting
         FROM pg_stat_replication`,
      )
      return rows[0].sent && Number(rows[0].waiting) === 1
    })
    const joining = await ask({ table: 'items', where: 'id > 0', offset: '-1' })
    expect(await joining.text()).not.toContain('"insert"')
    expect(order).toEqual([])

    await standby('RESET synchronous_standby_names')
    await written
    expect(await live).toContain('"insert"')
    const joined = joining.headers.get('electric-handle') ?? ''
    await until('the shape that joined meanwhile has the row', async () => {
      const next = { table: 'items', where: 'id > 0', handle: joined, offset: '0_inf' }
      return (await (await ask(next)).text()).includes('"insert"')
    })
  } finally {
    await standby('RESET synchronous_standby_names')
    await server.close()
    await Promise.all([writer.end(), reader.end()])
    await postgres.stop()
  }
})

/** Resolves with whether commits wait now: they do once the checkpointer has read the setting. */
async function commitWaits(writer: Client, reader: Client): Promise<boolean> {
  let isDone = false
  const probe = writer.query('INSERT INTO probes DEFAULT VALUES').then(() => {
    isDone = true
  })
  const cancel = `SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'`
  while (!isDone) {
    // Cancelling ends the wait, not the commit.
    const { rows } = await reader.query(cancel)
    if (rows.length === 0) continue
    await probe
    return true
  }
  return false
}
