import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ElectricSetup, Finding, RetentionResult } from '../../../src/ops/index.ts'
import { temporaryDirectories } from '../../support/directories.ts'
import { runProgram } from '../../support/program.ts'
import { query } from '../../support/query.ts'
import { type OpsDatabase, servers } from './ops-fixture.ts'

const cli = join(import.meta.dirname, '../../../src/cli/main.ts')
const directories = temporaryDirectories()

let database: OpsDatabase
beforeAll(async () => {
  database = (await (await servers[0]?.start())?.create()) as OpsDatabase
})
afterAll(async () => {
  await database.drop()
  await directories.remove()
})

const run = (...args: string[]) => runWith({ DATABASE_URL: database.url }, ...args)

async function runWith(variables: Record<string, string | undefined>, ...args: string[]) {
  const env = { ...variables, ELECTRIC_URL: undefined, NO_COLOR: '1' }
  const program = runProgram(cli, args, { env, cwd: await directories.create() })
  program.firstLine.catch(() => undefined)
  const { code } = await program.ended
  return { code, ...program.output }
}

const roles = () => [
  '--electric-role',
  database.names.electricRole,
  '--app-role',
  database.names.appRole,
  '--stream-id',
  database.names.streamId,
]

describe('setup-electric', () => {
  test('prints SQL, runs it with --apply, and then has nothing to do', async () => {
    const printed = await run('setup-electric', ...roles())
    expect(printed.code).toBe(0)
    expect(printed.stdout).toMatch(/^CREATE ROLE .*; -- Electric connects/m)
    expect(printed.stderr).toContain('Nothing was run')
    const json = await run('setup-electric', ...roles(), '--json')
    const { applied, steps } = JSON.parse(json.stdout) as ElectricSetup
    expect([applied, steps.length]).toEqual([false, printed.stdout.trim().split('\n').length])
    const done = await run('setup-electric', ...roles(), '--apply')
    expect(done.stdout).toMatch(/^applied \d+ statements$/m)
    expect(done.stdout).toContain('ELECTRIC_MANUAL_TABLE_PUBLISHING=true')
    expect(done.stdout).toContain(`postgresql://${database.names.electricRole}:`)
    expect((await run('setup-electric', ...roles())).stdout).toBe(
      'nothing to do: the setup is complete\n',
    )
  })
})

describe('doctor', () => {
  test('prints each finding with its fix, and exits with 1 because of the slot', async () => {
    const shown = await run('doctor', ...roles())
    expect(shown.code).toBe(1)
    expect(shown.stdout).toMatch(/^✓ wal-level {13}wal_level is logical$/m)
    expect(shown.stdout).toMatch(/^✗ slot {18}there is no slot/m)
    expect(shown.stdout).toMatch(/^ {24}→ Start Electric/m)
    expect(shown.stdout.trimEnd().split('\n').at(-1)).toMatch(
      /^1 problem, (?:\d+ warnings?, )?\d+ passed, \d+ skipped$/,
    )
    const json = await run('doctor', ...roles(), '--json')
    const findings = JSON.parse(json.stdout) as Finding[]
    expect(json.code).toBe(1)
    expect(findings.filter(({ level }) => level === 'error').map(({ check }) => check)).toEqual([
      'slot',
    ])
  })
})

test('doctor checks the cost of the shapes in a module', async () => {
  const directory = await directories.create()
  const file = join(directory, 'shapes.ts')
  const library = JSON.stringify(join(import.meta.dirname, '../../../src/shapes/index.ts'))
  await writeFile(
    file,
    `import { defineShape, where } from ${library}
     const columns = { id: { name: 'id', type: 'text', synced: true } } as never
     const of = (user: string) => ({ table: 'members', select: 'note_id', where: where.eq('user_id', user) })
     export const shapes = {
       notes: defineShape({ table: 'notes', columns, rows: ({ userId }) => where.inArray('id', of(userId)) }),
     }`,
  )
  const { stdout } = await run('doctor', '--shapes', file, '--json')
  expect(JSON.parse(stdout)).toContainEqual({
    check: 'shape-audience',
    level: 'warning',
    message: expect.stringContaining("'notes' selects shared rows by the user"),
    fix: expect.stringContaining('docs/own-shapes.md'),
  })
  const wrong = join(directory, 'wrong.ts')
  await writeFile(wrong, 'export const shapes = 1')
  const refused = await run('doctor', '--shapes', wrong)
  expect([refused.code, refused.stderr]).toEqual([
    2,
    expect.stringContaining('wrong.ts exports no shapes'),
  ])
})

test('doctor exits with 2 if there is nothing to check', async () => {
  const { code, stderr } = await runWith({ DATABASE_URL: undefined }, 'doctor')
  expect([code, stderr]).toEqual([2, expect.stringContaining('nothing to check: set DATABASE_URL')])
})

describe('retention', () => {
  test('counts due rows by tenant with --dry-run, and deletes them without', async () => {
    await query(
      database.url,
      `INSERT INTO sessions (tenant_id, id, owner_id, title, source, format, updated_at)
       VALUES ('acme', 'old', 'ada', 'x', 'upload', 'codex', now() - interval '100 days')`,
    )
    const dry = await run('retention', '--older-than', '90d', '--dry-run')
    expect(dry.stdout).toBe(
      'tenant  sessions  threads  messages  events\n' +
        'acme           1        0         0       0\n\n' +
        'Due: 1 sessions, 0 batch results, 0 calls of usage. Nothing was deleted.\n',
    )
    const policy = join(await directories.create(), 'policy.json')
    await writeFile(policy, '{ "default": "keep", "tenants": { "acme": "90d" } }')
    const done = await run('retention', '--policy', policy, '--json')
    expect((JSON.parse(done.stdout) as RetentionResult).deletedSessions).toBe(1)
    expect(await query(database.url, 'SELECT id FROM sessions')).toEqual([])
  })

  test('requires --older-than or --policy', async () => {
    const missing = await run('retention')
    expect([missing.code, missing.stderr]).toEqual([
      2,
      'session-db: pass either --older-than <duration>, for example 90d, or --policy <file>\n',
    ])
    const wrong = await run('retention', '--older-than', 'soon')
    expect(wrong.code).toBe(1)
    expect(wrong.stderr).toContain('"soon"')
  })
})
