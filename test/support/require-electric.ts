import { claimDatabase, givenEngine } from './given-engine.ts'

/** Fails the run before its tests when no Electric is configured, or when its database is in use. */
export default async function requireElectric(): Promise<void> {
  process.env.TEST_ENGINE = 'given'
  const engine = givenEngine()
  if (engine !== undefined) await claimDatabase(engine.databaseUrl)
}
