import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { applyElectricSetup, runDoctor } from '../../../src/ops/index.ts'
import { createSessionStore, migrate } from '../../../src/server/index.ts'
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

async function slotFinding(database: string) {
  const findings = await runDoctor({ database, directory: '/nowhere' })
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
