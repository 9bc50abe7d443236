import pg from 'pg'
import { afterAll, beforeAll } from 'vitest'
import { type Demo, startDemo, temporaryDataDir } from './demo.ts'

/** A demo that the tests of a file share, and a connection to its database. */
export interface DemoWithDatabase {
  /** Available from the first test on. */
  readonly demo: Demo
  readonly database: pg.Client
}

/** Starts a demo before the calling file's tests and stops it after them. */
export function useDemo(
  options: Omit<Parameters<typeof startDemo>[0], 'dataDir'> = {},
): DemoWithDatabase {
  const used: { demo?: Demo; database?: pg.Client } = {}
  let dataDir: Awaited<ReturnType<typeof temporaryDataDir>> | undefined
  beforeAll(async () => {
    dataDir = await temporaryDataDir()
    used.demo = await startDemo({ dataDir: dataDir.path, ...options })
    used.database = new pg.Client({ connectionString: used.demo.databaseUrl })
    await used.database.connect()
  })
  afterAll(async () => {
    await used.database?.end()
    await used.demo?.stop()
    await dataDir?.remove()
  })
  return used as DemoWithDatabase
}
