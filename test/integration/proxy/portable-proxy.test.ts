import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { checks, type Subject } from '../../runtimes/checks.ts'
import { startWorld } from '../../runtimes/world.ts'
import { freshDatabase } from '../../support/database.ts'
import { serve } from '../../unit/proxy/serve.ts'

// The checks of `npm run test:runtimes` on this runtime: the app of docs/shape-proxy.md with the
// built entry `@org/session-db/proxy`.

interface Worker {
  fetch(request: Request, env: object): Promise<Response>
}

let subject: Subject
let close: () => Promise<void>

beforeAll(async () => {
  const app = new URL('../../runtimes/app/worker.ts', import.meta.url).href
  const worker = ((await import(app)) as { default: Worker }).default
  const database = await freshDatabase()
  const world = await startWorld(database.url)
  const env = { ELECTRIC_URL: world.relay.url, ELECTRIC_SECRET: world.secret }
  const served = await serve((request) => worker.fetch(request, env))
  subject = { ...world, shapesUrl: `${served.url}/api/shapes`, seesHalfClose: true }
  close = async () => {
    await served.close()
    await world.close()
    await database.drop()
  }
})
afterAll(() => close())

describe('the entry ./proxy', () => {
  test.each(Object.keys(checks))('%s', async (name) => {
    await expect(checks[name]?.(subject)).resolves.toBeUndefined()
  })
})
