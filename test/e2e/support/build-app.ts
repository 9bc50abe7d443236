import { resolve } from 'node:path'
import { buildApp } from '../../../examples/start-app/scripts/build-app.ts'

/** Builds the app once before the run: test files start their demos at the same time. */
export default async function setup(): Promise<void> {
  const appDir = resolve(import.meta.dirname, '../../../examples/start-app')
  await buildApp(appDir)
}
