import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { exportData } from '../../../src/legacy/index.ts'
import { migrate } from '../../../src/server/index.ts'
import { freshDatabase } from '../../support/database.ts'
import { temporaryDirectories } from '../../support/directories.ts'
import { runProgram } from '../../support/program.ts'
import { query } from '../../support/query.ts'

const root = join(import.meta.dirname, '../../..')
const directories = temporaryDirectories()
afterAll(directories.remove)

const MESSAGES = 12_000
const KILLS = Number(process.env.IMPORT_KILLS ?? 4)

async function largeSnapshot(): Promise<string> {
  const data = await directories.create()
  const time = (n: number) => new Date(1.76e12 + n * 1_000).toISOString()
  const messages = Array.from({ length: MESSAGES }, (_, n) => ({
    id: `m${(n * 7_919) % MESSAGES}`,
    sessionId: `s${n % 7}`,
    mode: 'session',
    ...(n % 3 > 0 && { threadId: `t${n % 50}` }),
    role: 'user',
    content: `Text ${n} `.repeat(20),
    createdAt: time((n * 31) % MESSAGES),
  }))
  await writeFile(join(data, 'chat-messages.json'), JSON.stringify(messages, null, 2))
  return data
}

async function stateOf(url: string): Promise<Record<string, string>> {
  const directory = join(await directories.create(), 'export')
  await exportData({ database: url, tenantId: 'acme', directory })
  const names = (await readdir(directory)).sort()
  const texts = await Promise.all(names.map((name) => readFile(join(directory, name), 'utf8')))
  return Object.fromEntries(names.map((name, index) => [name, texts[index] as string]))
}

test('an import killed at any point and run again ends as one that was left alone', async () => {
  const data = await largeSnapshot()
  const cwd = await directories.create()
  const start = (url: string) =>
    runProgram(
      join(root, 'src/cli/main.ts'),
      ['import', '--data', data, '--tenant', 'acme', '--user', 'ada', '--json'],
      { env: { DATABASE_URL: url }, cwd },
    )
  const calm = await freshDatabase()
  await migrate({ database: calm.url })
  const began = performance.now()
  expect(await start(calm.url).ended).toMatchObject({ code: 0 })
  const took = performance.now() - began
  const expected = await stateOf(calm.url)

  const killed = await freshDatabase()
  await migrate({ database: killed.url })
  for (let kill = 0; kill < KILLS; kill++) {
    const program = start(killed.url)
    const timer = setTimeout(
      () => program.kill('SIGKILL'),
      took * (0.2 + (0.7 * kill) / KILLS + Math.random() * 0.1),
    )
    const { signal } = await program.ended
    clearTimeout(timer)
    if (signal === null) continue
    const rows = await query(killed.url, 'SELECT count(*)::int AS n FROM chat_messages')
    expect([0, MESSAGES]).toContain(rows[0]?.n)
  }
  expect(await start(killed.url).ended).toMatchObject({ code: 0 })
  expect(await stateOf(killed.url)).toEqual(expected)
  await calm.drop()
  await killed.drop()
}, 300_000)
