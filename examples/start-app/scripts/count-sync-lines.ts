import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'

// Compares the number of lines that store and sync data with the official starter for the same job.

/** Code that another app would need too: no screens and no sign-in. */
const FILES = [
  'src/server/database.server.ts',
  'src/server/session-db.server.ts',
  'src/server/signed-in.ts',
  'src/server/typed-failures.ts',
  'src/server/write.functions.ts',
  'src/routes/api/shapes.$.ts',
  'src/components/session-db.tsx',
]

/**
 * electric-sql/electric, examples/tanstack-db-web-starter, counted by hand in the same way: lines
 * that are neither empty nor comments, for its two tables, projects and todos, without users.
 */
const STARTER: Readonly<Record<string, number>> = {
  'src/db/connection.ts': 3,
  'src/db/schema.ts': 51,
  'src/lib/collections.ts': 105,
  'src/lib/electric-proxy.ts': 32,
  'src/lib/trpc-client.ts': 14,
  'src/lib/trpc.ts': 38,
  'src/lib/trpc/projects.ts': 84,
  'src/lib/trpc/todos.ts': 73,
  'src/routes/api/projects.ts': 27,
  'src/routes/api/todos.ts': 24,
  'src/routes/api/trpc/$.ts': 31,
}

async function countLines(file: string): Promise<number> {
  const text = await readFile(resolve(import.meta.dirname, '..', file), 'utf8')
  return text.split('\n').filter((line) => !/^\s*(\/\/|\/\*|\*|$)/.test(line)).length
}

function print(title: string, lines: Readonly<Record<string, number>>): void {
  const total = Object.values(lines).reduce((sum, count) => sum + count, 0)
  console.info(`\n${title}: ${total} lines`)
  for (const [file, count] of Object.entries(lines))
    console.info(`${String(count).padStart(5)}  ${file}`)
}

const ours: Record<string, number> = {}
for (const file of FILES) ours[file] = await countLines(file)
print('start-app, four kinds of rows, outbox and typed errors', ours)
print('tanstack-db-web-starter, two kinds of rows', STARTER)
