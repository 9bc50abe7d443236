import {
  type AppShapeRow,
  column,
  createSessionCollections,
  defineShape,
  type Principal,
  type SessionCollections,
  sessionShapes,
  where,
} from '@org/session-db'
import { createShapeProxy } from '@org/session-db/server'
import { expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import * as mini from 'zod/mini'

interface AppPrincipal extends Principal {
  readonly teams: readonly string[]
}

const shapes = {
  ...sessionShapes,
  projects: defineShape({
    table: 'projects',
    columns: {
      tenantId: column('tenant_id', 'text'),
      id: column('id', 'uuid'),
      name: column('name', 'text'),
      stars: column('stars', 'integer', { nullable: true }),
      isOpen: column('is_open', 'boolean'),
      dueAt: column('due_at', 'timestamp with time zone', { nullable: true }),
      secretNote: column('secret_note', 'text', { synced: false }),
    },
    params: { folderId: z.string(), state: z.enum(['open', 'done']).optional() },
    rows: (principal: AppPrincipal, { folderId, state }) => {
      expectTypeOf(folderId).toEqualTypeOf<string>()
      expectTypeOf(state).toEqualTypeOf<'open' | 'done' | undefined>()
      return where.and(where.eq('folder_id', folderId), where.inArray('team_id', principal.teams))
    },
  }),
  holidays: defineShape({
    table: 'holidays',
    columns: { day: column('day', 'date'), name: column('name', 'text') },
    key: ['day'],
    tenantColumn: null,
  }),
  tags: defineShape({
    table: 'tags',
    columns: { tenantId: column('tenant_id', 'text'), id: column('id', 'text') },
    params: { kind: mini.enum(['topic', 'team']), prefix: mini.optional(mini.string()) },
    rows: (_principal, { kind, prefix }) => {
      expectTypeOf(kind).toEqualTypeOf<'topic' | 'team'>()
      expectTypeOf(prefix).toEqualTypeOf<string | undefined>()
      return where.eq('kind', kind)
    },
  }),
}

type Collections = SessionCollections<typeof shapes>

interface Project {
  tenantId: string
  id: string
  name: string
  stars: number | null
  isOpen: boolean
  dueAt: Date | null
}

/** Never called: only its types are looked at. */
function unused(db: Collections): void {
  const projects = db.shape('projects', { folderId: 'f1' })
  expectTypeOf(projects.toArray).toExtend<Project[]>()
  expectTypeOf<AppShapeRow<(typeof shapes)['projects']>>().toEqualTypeOf<Project>()
  expectTypeOf(db.shape('projects', { folderId: 'f1', state: 'done' })).toEqualTypeOf(projects)
  expectTypeOf(db.shape('holidays').toArray).toExtend<{ day: string; name: string }[]>()

  expectTypeOf(db.shape('tags', { kind: 'topic' }).toArray).toExtend<{ id: string }[]>()
  // @ts-expect-error not one of the texts that the zod/mini schema accepts
  db.shape('tags', { kind: 'colour' })

  // @ts-expect-error there is no such shape
  db.shape('project', { folderId: 'f1' })
  // @ts-expect-error the parameter is missing
  db.shape('projects')
  // @ts-expect-error the parameter is missing
  db.shape('projects', {})
  // @ts-expect-error there is no such parameter
  db.shape('projects', { folderId: 'f1', tenantId: 'other' })
  // @ts-expect-error parameters are texts
  db.shape('projects', { folderId: 1 })
  // @ts-expect-error not one of the texts it may be
  db.shape('projects', { folderId: 'f1', state: 'closed' })
  // @ts-expect-error it has no parameters
  db.shape('holidays', { folderId: 'f1' })
  // @ts-expect-error the library's own shapes have collections of their own
  db.shape('sessions')
  // @ts-expect-error a column that is not synced is in no row
  projects.toArray[0]?.secretNote
  const plain = db as unknown as SessionCollections
  // @ts-expect-error without shapes of the app's own there are none to ask for
  plain.shape('projects', { folderId: 'f1' })
}

test('an own shape is a typed collection', () => {
  expectTypeOf(unused).toBeFunction()
})

test('a shape for the app’s principal requires a proxy that authenticates such principals', () => {
  const electricUrl = 'http://electric.test'
  const ann = { tenantId: 't1', userId: 'ann' }
  createShapeProxy({ electricUrl, shapes, authenticate: () => ({ ...ann, teams: ['a'] }) })
  createShapeProxy({ electricUrl, authenticate: () => ({ ...ann, teams: ['a'] }) })
  // @ts-expect-error teams are missing
  createShapeProxy({ electricUrl, shapes, authenticate: () => ann })
})

test('invalid shapes do not compile', () => {
  const columns = { id: column('id', 'text') }
  // @ts-expect-error the key must be one of the columns
  expectTypeOf(() => defineShape({ table: 'notes', columns, key: ['slug'] })).toBeFunction()
  expectTypeOf(() =>
    // @ts-expect-error a condition is data, not SQL
    defineShape({ table: 'notes', columns, rows: () => 'true' }),
  ).toBeFunction()
  // @ts-expect-error no such type in the registry
  expectTypeOf(() => column('id', 'varchar')).toBeFunction()
})

test('handlers make own shapes writable', () => {
  const own = createSessionCollections({
    electricUrl: '/api/shapes',
    writeAdapter: () => Promise.reject(new Error('not used')),
    shapes,
    handlers: {
      projects: {
        onUpdate: async ({ transaction }) => {
          expectTypeOf(transaction.mutations[0].changes.name).toEqualTypeOf<string | undefined>()
          return { txids: [1, 2] }
        },
        // @ts-expect-error a txid is a number
        onDelete: async () => ({ txid: '1' }),
      },
    },
  })
  own.shape('projects', { folderId: 'f1' }).update('p1', (draft) => {
    draft.name = 'x'
    // @ts-expect-error no such column
    draft.title = 'x'
  })
})
