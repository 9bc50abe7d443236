import { setupServer } from 'msw/node'
import { Client } from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { createSessionCollections } from '../../../src/collections/index.ts'
import { column, type Principal } from '../../../src/schema/index.ts'
import { type Authenticate, createShapeProxy } from '../../../src/server/index.ts'
import { defineShape, sessionShapes, where } from '../../../src/shapes/index.ts'
import { createShapeMock } from '../../../src/testing/index.ts'
import { startEngine, withoutSecret } from '../../support/engine.ts'
import { serve } from '../../unit/proxy/serve.ts'

/** The guide docs/own-shapes.md, run. */
const ann: AppPrincipal = { tenantId: 'acme', userId: 'ann', isAdmin: false }
const writeAdapter = () => Promise.reject(new Error('nothing is written through the library here'))

interface AppPrincipal extends Principal {
  readonly isAdmin: boolean
}

const projectColumns = {
  tenantId: column('tenant_id', 'text'),
  id: column('id', 'text'),
  folderId: column('folder_id', 'text'),
  name: column('name', 'text'),
  isOpen: column('is_open', 'boolean'),
  dueAt: column('due_at', 'timestamp with time zone', { nullable: true }),
  costCenter: column('cost_center', 'text', { nullable: true, synced: false }),
}

const memberColumns = {
  tenantId: column('tenant_id', 'text'),
  projectId: column('project_id', 'text'),
  userId: column('user_id', 'text'),
}

const shapes = {
  ...sessionShapes,
  projects: defineShape({
    table: 'projects',
    columns: projectColumns,
    params: { folderId: z.string().min(1).max(128) },
    rows: (principal: AppPrincipal, { folderId }) => {
      const inFolder = where.eq('folder_id', folderId)
      if (principal.isAdmin) return inFolder
      const mine = where.eq('user_id', principal.userId)
      const members = { table: 'project_members', select: 'project_id', where: mine }
      return where.and(inFolder, where.inArray('id', members))
    },
  }),
}

function serveShapes(electricUrl: string, authenticate: Authenticate<AppPrincipal>) {
  return createShapeProxy({ electricUrl, shapes, authenticate })
}

function openCollections(electricUrl: string, headers: Record<string, string>) {
  return createSessionCollections({ electricUrl, shapes, headers, writeAdapter })
}

async function renameProject(db: Client, { tenantId }: AppPrincipal, id: string, name: string) {
  const { rows } = await db.query<{ txid: string }>(
    `UPDATE projects SET name = $3 WHERE tenant_id = $1 AND id = $2
     RETURNING pg_current_xact_id()::xid::text AS txid`,
    [tenantId, id, name],
  )
  return { txid: Number(rows[0]?.txid) }
}

test('serves an own shape without a server', async () => {
  const mock = createShapeMock<AppPrincipal>({
    electricUrl: 'http://mock.test/api/shapes',
    principal: ann,
    shapes,
    appTables: {
      projects: {
        columns: projectColumns,
        rows: [
          { tenantId: 'acme', id: 'p1', folderId: 'f1', name: 'Login', isOpen: true },
          { tenantId: 'acme', id: 'p2', folderId: 'f1', name: 'Not yours', isOpen: true },
        ],
      },
      project_members: {
        columns: memberColumns,
        primaryKey: ['tenantId', 'projectId', 'userId'],
        rows: [{ tenantId: 'acme', projectId: 'p1', userId: 'ann' }],
      },
    },
  })
  const server = setupServer(...mock.handlers)
  server.listen()
  onTestFinished(() => server.close())
  const db = openCollections('http://mock.test/api/shapes', {})
  onTestFinished(() => db.cleanup())

  const projects = db.shape('projects', { folderId: 'f1' })
  await projects.preload()
  expect(projects.toArray.map((project) => project.name)).toEqual(['Login'])

  mock.appTable('project_members').put({ tenantId: 'acme', projectId: 'p2', userId: 'ann' })
  await expect.poll(() => projects.size).toBe(2)
  mock.appTable('project_members').delete({ tenantId: 'acme', projectId: 'p1', userId: 'ann' })
  await expect.poll(() => projects.toArray.map(({ id }) => id)).toEqual(['p2'])
})

test('syncs an own shape from Postgres into a collection', async () => {
  const engine = await withoutSecret(await startEngine())
  const client = new Client({ connectionString: engine.databaseUrl })
  await client.connect()
  await client.query(`CREATE TABLE IF NOT EXISTS projects (
  tenant_id text NOT NULL,
  id text NOT NULL,
  folder_id text NOT NULL,
  name text NOT NULL,
  is_open boolean NOT NULL,
  due_at timestamptz,
  cost_center text,
  PRIMARY KEY (tenant_id, id)
);
CREATE TABLE IF NOT EXISTS project_members (
  tenant_id text NOT NULL,
  project_id text NOT NULL,
  user_id text NOT NULL,
  PRIMARY KEY (tenant_id, project_id, user_id)
);
ALTER TABLE projects REPLICA IDENTITY FULL;
ALTER TABLE project_members REPLICA IDENTITY FULL;
    INSERT INTO projects VALUES ('acme', 'p1', 'f1', 'Login', true, '2026-01-02T03:04:05Z', '4711'),
      ('acme', 'p2', 'f1', 'Not yours', true, NULL, NULL),
      ('rival', 'p1', 'f1', 'Theirs', true, NULL, NULL);
    INSERT INTO project_members VALUES ('acme', 'p1', 'ann'), ('rival', 'p2', 'ann');`)
  const admins = ['eve']
  const serveShape = serveShapes(engine.electricUrl, (request) => {
    const userId = request.headers.get('x-user')
    return userId === null ? null : { tenantId: 'acme', userId, isAdmin: admins.includes(userId) }
  })
  const app = await serve(serveShape)
  const opened = ['ann', 'eve'].map((user) =>
    openCollections(`${app.url}/api/shapes`, { 'x-user': user }),
  )
  onTestFinished(async () => {
    await Promise.all(opened.map((db) => db.cleanup()))
    await app.close()
    await client.end()
    await engine.close()
  })
  const [forAnn, forEve] = opened.map((db) => db.shape('projects', { folderId: 'f1' }))
  if (opened[0] === undefined || forAnn === undefined || forEve === undefined)
    throw new Error('none')
  await Promise.all([forAnn.preload(), forEve.preload()])

  expect(forAnn.toArray).toMatchObject([
    {
      tenantId: 'acme',
      id: 'p1',
      name: 'Login',
      isOpen: true,
      dueAt: new Date('2026-01-02T03:04:05Z'),
    },
  ])
  expect(forAnn.toArray[0]).not.toHaveProperty('costCenter')
  expect(forEve.toArray.map(({ name }) => name).sort()).toEqual(['Login', 'Not yours'])

  const { txid } = await renameProject(client, ann, 'p1', 'Sign in')
  await opened[0].confirm(forAnn, txid)
  expect(forAnn.get('p1')?.name).toBe('Sign in')

  await client.query(`DELETE FROM project_members WHERE tenant_id = 'acme'`)
  await expect.poll(() => forAnn.size).toBe(0)
  expect(forEve.size).toBe(2)
})

test('throws invalid for unknown shapes and parameters', () => {
  const db = openCollections('http://mock.test/api/shapes', {})
  const untyped = db.shape as unknown as (name: string, params?: object) => unknown
  expect(() => untyped('nothing')).toThrow(/no shape 'nothing'.*projects/)
  expect(() => untyped('projects')).toThrow(/projects folderId/)
  expect(() => untyped('projects', { folderId: 'f1', tenantId: 'rival' })).toThrow(/tenantId/)
  expect(db.shape('projects', { folderId: 'f1' })).toBe(db.shape('projects', { folderId: 'f1' }))
})

test.each([
  [{ params: { where: z.string() } }, /'where' is decided by the server/],
  [{ params: { offset: z.string() } }, /'offset' is Electric's own/],
  [{ params: { 'a[1]': z.string() } }, /not a plain word/],
  [{ columns: { slug: column('slug', 'text') } }, /no synced column 'id'/],
])('defineShape throws a TypeError for %o', (wrong, message) => {
  const columns = { id: column('id', 'text') }
  expect(() => defineShape({ table: 'notes', columns, ...(wrong as object) })).toThrow(message)
})
