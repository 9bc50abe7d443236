import { claimDatabase, emptyDatabase, givenEngine } from './given-engine.ts'

/** Fails the run before its tests when no Electric is configured, or when its database is in use. Empties it after them. */
export default async function requireElectric(): Promise<() => Promise<void>> {
  process.env.TEST_ENGINE = 'given'
  const engine = givenEngine()
  if (engine === undefined) return async () => {}
  await claimDatabase(engine.databaseUrl)
  return () => emptyDatabase(engine)
}
