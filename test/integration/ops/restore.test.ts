import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { applyElectricSetup, planElectricSetup, runDoctor } from '../../../src/ops/index.ts'
import { createSessionStore, migrate } from '../../../src/server/index.ts'
import { freshDatabase } from '../../support/database.ts'
import {
  type DebianPostgres,
  hasDebianPostgres,
  startDebianPostgres,
  startDebianServer,
} from '../../support/debian-postgres.ts'
import { query } from '../../support/query.ts'

const principal = { tenantId: 'acme', userId: 'ada' }

async function writeSession(url: string, id: string): Promise<void> {
  const store = createSessionStore({ database: url })
  const value = { id, title: id, source: 'upload', format: 'codex' }
  const mutations = [{ collection: 'sessions', type: 'insert', value }]
  await store.write(principal, { id: `batch-${id}`, mutations }).finally(() => store.close())
}

async function sessions(url: string): Promise<string[]> {
  const rows = await query<{ id: string }>(url, 'SELECT id FROM sessions ORDER BY id')
  return rows.map(({ id }) => id)
}

async function slotFinding(database: string, names: object = {}) {
  const findings = await runDoctor({ database, directory: '/nowhere', ...names })
  const others = findings.filter(({ check, level }) => level === 'error' && check !== 'slot')
  expect(others).toEqual([])
  return findings.find(({ check }) => check === 'slot')
}

describe.runIf(hasDebianPostgres)('restoring a backup', () => {
  let server: DebianPostgres
  let archive: string
  let backup: string

  beforeAll(async () => {
    server = await startDebianPostgres({
      archive_mode: 'on',
      // Relative to the data directory.
      archive_command: 'cp %p ../archive/%f',
    })
    archive = join(server.dataDir, '../archive')
    backup = join(server.dataDir, '../backup')
    await server.program('mkdir', [archive])
    await migrate({ database: server.url })
    await applyElectricSetup({ database: server.url })
    await query(
      server.url,
      "SELECT pg_create_logical_replication_slot('electric_slot_default', 'pgoutput')",
    )
  })
  afterAll(() => server.stop())

  test('from a dump brings back data, publication and grants; the doctor reports the other database’s slot', async () => {
    await writeSession(server.url, 'dumped')
    const file = join(archive, 'dump')
    await server.program('pg_dump', ['-Fc', '-f', file, server.url])
    await query(server.url, 'CREATE DATABASE restored')
    const restored = new URL(server.url)
    restored.pathname = '/restored'
    await server.program('pg_restore', ['-d', restored.href, file])
    expect(await sessions(restored.href)).toContain('dumped')
    expect(await slotFinding(restored.href)).toMatchObject({
      level: 'error',
      message: expect.stringContaining('belongs to the database postgres'),
    })
    await writeSession(restored.href, 'written-after')
    expect(await sessions(restored.href)).toContain('written-after')
  })

  test('a lost slot is found by the doctor, and dropped and created again by the runbook', async () => {
    const lost = await startDebianPostgres({ max_slot_wal_keep_size: '1MB', min_wal_size: '32MB' })
    await migrate({ database: lost.url })
    await applyElectricSetup({ database: lost.url })
    const create = "SELECT pg_create_logical_replication_slot('electric_slot_default', 'pgoutput')"
    await query(lost.url, create)
    const status = async () => {
      // One segment of WAL, and the checkpoint that gives up slots which need an older one.
      await query(lost.url, "SELECT pg_logical_emit_message(false, 'fill', repeat('x', 1000000))")
      await query(lost.url, 'SELECT pg_switch_wal()')
      await query(lost.url, 'CHECKPOINT')
      const [slot] = await query<{ status: string }>(
        lost.url,
        'SELECT wal_status AS status FROM pg_replication_slots',
      )
      return slot?.status
    }
    await expect.poll(status).toBe('lost')
    expect(await slotFinding(lost.url)).toMatchObject({
      level: 'error',
      message: expect.stringContaining('lost'),
      fix: expect.stringContaining('ELECTRIC_STORAGE_DIR'),
    })
    // The statement of the runbook on a full disk.
    await query(
      lost.url,
      'SELECT slot_name, active, pg_size_pretty(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)) FROM pg_replication_slots',
    )
    await query(lost.url, "SELECT pg_drop_replication_slot('electric_slot_default')")
    // As Electric does when it starts.
    await query(lost.url, create)
    expect((await slotFinding(lost.url))?.message).not.toContain('lost')
    await lost.stop()
  })

  test('a dump of Postgres 15 becomes a database of Postgres 18, with triggers, publication and a clean doctor', async () => {
    await writeSession(server.url, 'from-15')
    const file = join(archive, 'dump-of-15')
    await server.program('pg_dump', ['-Fc', '--no-owner', '--no-acl', '-f', file, server.url])
    const upgraded = await freshDatabase()
    await server.program('pg_restore', ['--no-owner', '--no-acl', '-d', upgraded.url, file])
    const version = await query<{ version: number }>(
      upgraded.url,
      "SELECT current_setting('server_version_num')::int / 10000 AS version",
    )
    expect(version).toEqual([{ version: 18 }])
    expect((await migrate({ database: upgraded.url })).applied).toEqual([])
    const names = { electricRole: 'electric_of_18', appRole: 'app_of_18' }
    await applyElectricSetup({ database: upgraded.url, ...names })
    expect((await planElectricSetup({ database: upgraded.url, ...names })).steps).toEqual([])
    // The doctor finds nothing else.
    expect(await slotFinding(upgraded.url, names)).toMatchObject({
      message: expect.stringContaining('there is no slot'),
    })

    const store = createSessionStore({ database: upgraded.url })
    const chat = [
      ['chatThreads', { id: 't1', sessionId: 'from-15', title: 'after', mode: 'session' }],
      ['chatMessages', { id: 'm1', threadId: 't1', role: 'user', content: 'hello' }],
      ['sessionGrants', { id: 'g1', sessionId: 'from-15', grantee: 'user:ben', role: 'viewer' }],
    ] as const
    const mutations = chat.map(([collection, value]) => ({ collection, type: 'insert', value }))
    await store.write(principal, { id: 'after-the-upgrade', mutations })
    const ben = { tenantId: 'acme', userId: 'ben' }
    const { threads } = await store.listThreads(ben, { sessionId: 'from-15' })
    expect(threads).toMatchObject([{ id: 't1', messageCount: 1, lastMessagePreview: 'hello' }])
    await store.close()
    await upgraded.drop()
    for (const role of Object.values(names)) {
      await query(inject('postgresUrl'), `DROP ROLE ${role}`)
    }
  })

  test('to a point in time brings back all earlier writes; the doctor tells what to reset', async () => {
    await server.program('pg_basebackup', ['-d', server.url, '-D', backup, '-c', 'fast'])
    await writeSession(server.url, 'after-the-backup')
    await query(server.url, "SELECT pg_create_restore_point('before_the_mistake')")
    await writeSession(server.url, 'the-mistake')
    await query(server.url, 'SELECT pg_switch_wal()')
    const archived = async () => {
      const [row] = await query<{ done: boolean }>(
        server.url,
        `SELECT last_archived_wal >= pg_walfile_name(pg_current_wal_lsn() - 1) AS done
         FROM pg_stat_archiver`,
      )
      return row?.done
    }
    await expect.poll(archived).toBe(true)
    await server.program('touch', [join(backup, 'recovery.signal')])
    const restored = await startDebianServer(backup, {
      archive_mode: 'off',
      restore_command: `cp ${archive}/%f %p`,
      recovery_target_name: 'before_the_mistake',
      recovery_target_action: 'promote',
    })
    const recovering = async () => {
      const [row] = await query<{ yes: boolean }>(restored.url, 'SELECT pg_is_in_recovery() AS yes')
      return row?.yes
    }
    await expect.poll(recovering).toBe(false)
    const ids = await sessions(restored.url)
    expect(ids).toContain('after-the-backup')
    expect(ids).not.toContain('the-mistake')
    // A base backup has no slots, and Electric's storage belongs to the abandoned timeline.
    expect(await slotFinding(restored.url)).toMatchObject({
      level: 'error',
      message: expect.stringContaining('there is no slot'),
      fix: expect.stringContaining('ELECTRIC_STORAGE_DIR'),
    })
    await writeSession(restored.url, 'written-after')
    expect(await sessions(restored.url)).toContain('written-after')
    await restored.stop()
  })
})
