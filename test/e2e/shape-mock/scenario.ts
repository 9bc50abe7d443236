import type { RequestHandler } from 'msw'
import { createSessionCollections } from '../../../src/index.ts'
import { createMemoryWriteAdapter, createShapeMock } from '../../../src/testing/index.ts'

/** The steps of an app's test, with their results. */
export interface Scenario {
  readonly steps: readonly string[]
  /** Keys that are left in the page's storage. */
  readonly left: readonly string[]
}

/**
 * Runs rows, live changes, writes, revocation, failures and reset through a request interceptor.
 *
 * @param listen starts intercepting with the mock's handlers
 */
export async function runScenario(
  electricUrl: string,
  listen: (handlers: RequestHandler[]) => unknown,
): Promise<Scenario> {
  const ann = { tenantId: 'acme', userId: 'ann' }
  const tables = { sessions: [{ id: 's1', title: 'First' }] }
  const mock = createShapeMock({ electricUrl, principal: ann, tables })
  await listen(mock.handlers)
  const writeAdapter = createMemoryWriteAdapter(mock, { principal: ann })
  const db = createSessionCollections({ electricUrl, identity: ann, writeAdapter })
  const titles = () => db.sessions.toArray.map(({ title }) => title).sort()
  const steps: string[] = []
  const seen = async (step: string, condition: () => boolean) => {
    await until(step, condition)
    steps.push(`${step}: ${titles().join(', ')}`)
  }

  await db.sessions.preload()
  await seen('first page', () => titles().length === 1)
  mock.update('sessions', 's1', { title: 'News' })
  await seen('news', () => titles()[0] === 'News')
  await db.actions.updateSession('s1', { title: 'Written' }).committed
  await seen('write', () => mock.rows('sessions')[0]?.title === 'Written')
  mock.revoke('s1')
  await seen('revoked', () => titles().length === 0)
  mock.grant('s1')
  await seen('granted', () => titles().length === 1)
  mock.next.mustRefetch()
  mock.insert('sessions', { id: 's2', title: 'After a refetch' })
  await seen('refetched', () => titles().length === 2)
  mock.dropConnection()
  mock.insert('sessions', { id: 's3', title: 'While away' })
  mock.restoreConnection()
  await seen('restored', () => titles().length === 3)
  mock.next.unavailable({ retryAfterSeconds: 1 })
  mock.delete('sessions', 's3')
  await seen('available again', () => titles().length === 2)

  await db.cleanup()
  mock.reset()
  steps.push(`reset: ${mock.rows('sessions').map(({ title }) => title)}`)
  return { steps, left: 'localStorage' in globalThis ? Object.keys(localStorage) : [] }
}

async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 30_000
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`timed out: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
