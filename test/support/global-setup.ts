import type { TestProject } from 'vitest/node'
import { prepareMigrated, startTestPostgres } from './postgres.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Superuser URL of the Postgres that the test run shares. */
    postgresUrl: string
  }
}

/** Starts one Postgres for the whole run. Suites create their own databases in it. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const postgres = await startTestPostgres()
  await prepareMigrated(postgres.url)
  project.provide('postgresUrl', postgres.url)
  return () => postgres.stop()
}
