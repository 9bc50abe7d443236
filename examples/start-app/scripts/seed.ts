import { basename, resolve } from 'node:path'
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
    const store = createSessionStore({ database: pool })
    await once(pool, 'legacy-chats', async () => {
      const directory = resolve(fixtures, 'legacy-data/7f9df6a')
      const report = await importLegacySnapshots({
        database: pool,
        directory,
        ...ann,
        visibility: 'tenant',
      })
      if (!report.ok) throw new Error(`The legacy chats of ${directory} did not import completely.`)
      await store.write(ann, nameLegacyChats)
    })
    for (const { name, title, path } of logs) {
      await once(pool, name, () =>
        ingestSessionLog(pool, ann, {
          path: resolve(fixtures, 'session-logs', path),
          originalName: basename(path),
          visibility: 'tenant',
          source: 'bundled',
          title,
        }),
      )
    }
    await once(pool, 'eve', () => store.write(eve, evesSession))
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

/** Real logs of three agents. Their sources and licences are in the fixtures' README. */
const logs = [
  {
    name: 'gemini-log',
    title: 'A Pomodoro timer in plain HTML, CSS and JavaScript',
    path: 'gemini-cli/yoavf-pomodoro-68k.json',
  },
  {
    name: 'claude-log-1',
    title: 'Detached telemetry that also works on Windows',
    path: 'claude-code/entire-growth-4.jsonl',
  },
  {
    name: 'claude-log-2',
    title: 'Two scratch files, committed by accident',
    path: 'claude-code/ohmyposh-2219-64k.jsonl',
  },
  { name: 'codex-log', title: 'Why git push origin main fails', path: 'codex/agentv-195k.jsonl' },
]

const LEGACY_CODEX = 'session-75706c6f6164732f7e2f2e636f6465782f736573'
const LEGACY_GEMINI = 'session-75706c6f6164732f7e2f2e67656d696e692f746d'

/** Names the imported chats, which only had the ids of uploads, and removes the one without messages. */
const nameLegacyChats = {
  id: 'demo-name-legacy-chats',
  mutations: [
    {
      collection: 'sessions',
      type: 'update',
      id: 'session-default',
      changes: { title: 'The AGENT rules, asked and answered' },
    },
    {
      collection: 'sessions',
      type: 'update',
      id: LEGACY_CODEX,
      changes: { title: 'A component that fetches in useEffect' },
    },
    { collection: 'sessions', type: 'delete', id: LEGACY_GEMINI },
  ],
} as const

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
