import { resolve } from 'node:path'
import {
  createSessionStore,
  importLegacySnapshots,
  ingestSessionLog,
  migrate,
} from '@org/session-db/server'
import pg from 'pg'
import { seedUsers } from './seed-users.ts'

const ann = { tenantId: 'acme', userId: 'ann' }
const eve = { tenantId: 'globex', userId: 'eve' }

interface SeedOptions {
  readonly databaseUrl: string
  readonly secret: string
  /** The folder of real snapshots and logs. */
  readonly fixtures: string
}

/** Migrates the database and gives every demo user some data, once. */
export async function seed({ databaseUrl, secret, fixtures }: SeedOptions): Promise<void> {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 2 })
  try {
    await migrate({ database: pool })
    await seedUsers({ databaseUrl, secret })
    await once(pool, 'legacy-chats', async () => {
      const directory = resolve(fixtures, 'legacy-data/7f9df6a')
      const report = await importLegacySnapshots({
        database: pool,
        directory,
        ...ann,
        visibility: 'tenant',
      })
      if (!report.ok) throw new Error(`The legacy chats of ${directory} did not import completely.`)
    })
    await once(pool, 'codex-log', () =>
      ingestSessionLog(pool, ann, {
        path: resolve(fixtures, 'session-logs/codex/agentv-195k.jsonl'),
        originalName: 'agentv-195k.jsonl',
        visibility: 'tenant',
        source: 'bundled',
      }),
    )
    await once(pool, 'eve', () => createSessionStore({ database: pool }).write(eve, evesSession))
  } finally {
    await pool.end()
  }
}

/** Remembers what was seeded, so that deleted sessions don't come back at the next start. */
async function once(pool: pg.Pool, name: string, add: () => Promise<unknown>): Promise<void> {
  await pool.query('CREATE TABLE IF NOT EXISTS start_app_seeds (name text PRIMARY KEY)')
  const { rowCount } = await pool.query('SELECT 1 FROM start_app_seeds WHERE name = $1', [name])
  if (rowCount) return
  await add()
  await pool.query('INSERT INTO start_app_seeds VALUES ($1) ON CONFLICT DO NOTHING', [name])
}

const evesSession = {
  id: 'demo-globex-batch',
  mutations: [
    {
      collection: 'sessions',
      type: 'insert',
      value: {
        id: 'demo-globex',
        title: 'Quarterly numbers: why the export was slow',
        format: 'other',
        source: 'bundled',
        repoLabel: 'globex/reports',
      },
    },
    ...['Find out why the export takes a minute.', 'One query per row: 4,812 of them.'].map(
      (text, seq) =>
        ({
          collection: 'timelineEvents',
          type: 'insert',
          value: {
            id: `demo-globex-${seq}`,
            sessionId: 'demo-globex',
            seq,
            kind: 'message',
            role: seq === 0 ? 'user' : 'assistant',
            text,
          },
        }) as const,
    ),
    {
      collection: 'chatThreads',
      type: 'insert',
      value: {
        id: 'demo-globex-thread',
        sessionId: 'demo-globex',
        mode: 'session',
        title: 'Session chat',
      },
    },
    {
      collection: 'chatMessages',
      type: 'insert',
      value: {
        id: 'demo-globex-message',
        threadId: 'demo-globex-thread',
        role: 'user',
        content: 'Nobody outside Globex may see this. Can we batch those queries?',
      },
    },
  ],
} as const
