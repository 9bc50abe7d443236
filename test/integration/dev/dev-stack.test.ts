import { readdir } from 'node:fs/promises'
import { createServer } from 'node:net'
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest'
import { type DevStack, type DevStackOptions, startDevStack } from '../../../src/dev/index.ts'
import { migrate } from '../../../src/server/index.ts'
import { withCluster } from '../../support/cluster-template.ts'
import { temporaryDirectories } from '../../support/directories.ts'
import { rememberLastingPorts } from '../../support/lasting-ports.ts'
import { query } from '../../support/query.ts'

const directories = temporaryDirectories()
const started: DevStack[] = []

async function start(options: DevStackOptions): Promise<DevStack> {
  const stack = await startDevStack(options)
  started.push(stack)
  return stack
}

afterEach(async () => {
  vi.unstubAllEnvs()
  for (const stack of started.splice(0)) await stack.stop()
})
afterAll(directories.remove)

const shape = '/v1/shape?table=notes&offset=-1'

test('serves rows of its Postgres as shapes, with the same URLs after a restart', async () => {
  const directory = await withCluster(await directories.create())
  await rememberLastingPorts(directory)
  const first = await start({ directory })
  await migrate({ database: first.databaseUrl })
  await query(first.databaseUrl, 'CREATE TABLE notes (id int PRIMARY KEY, text text)')
  await query(first.databaseUrl, "INSERT INTO notes VALUES (1, 'kept')")
  await first.stop()
  const second = await start({ directory })
  expect(second).toMatchObject({
    databaseUrl: first.databaseUrl,
    electricUrl: first.electricUrl,
    directory,
  })
  const answer = await fetch(second.electricUrl + shape)
  expect(answer.status).toBe(200)
  expect(await answer.json()).toContainEqual(
    expect.objectContaining({ value: { id: '1', text: 'kept' } }),
  )
})

test('rejects shape requests without the secret', async () => {
  const { databaseUrl, electricUrl } = await start({
    directory: await withCluster(await directories.create()),
    secret: 'open sesame',
  })
  await query(databaseUrl, 'CREATE TABLE notes (id int PRIMARY KEY, text text)')
  expect((await fetch(electricUrl + shape)).status).toBe(401)
  expect((await fetch(`${electricUrl}${shape}&secret=open%20sesame`)).status).toBe(200)
})

test('stops Postgres and releases the directory when the Electric port is taken', async () => {
  const directory = await withCluster(await directories.create())
  const squatter = createServer()
  await new Promise<void>((resolve) => squatter.listen(0, '127.0.0.1', resolve))
  const { port } = squatter.address() as { port: number }
  try {
    await expect(startDevStack({ directory, electricPort: port })).rejects.toThrow(
      `Port ${port} of 127.0.0.1 is in use`,
    )
  } finally {
    squatter.close()
  }
  const stack = await start({ directory, electricPort: port })
  expect(stack.electricUrl).toBe(`http://127.0.0.1:${port}`)
})

describe('in production', () => {
  test('refuses before touching the directory, and says what to run instead', async () => {
    vi.stubEnv('NODE_ENV', 'production')
    const directory = await directories.create()
    await expect(startDevStack({ directory })).rejects.toMatchObject({
      code: 'invalid',
      message: expect.stringMatching(/set DATABASE_URL and ELECTRIC_URL/),
    })
    expect(await readdir(directory)).toEqual([])
  })
})
