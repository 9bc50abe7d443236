import { setupServer } from 'msw/node'
import { onTestFinished } from 'vitest'
import {
  createSessionCollections,
  type SessionCollections,
  type SessionCollectionsOptions,
} from '../../../../src/collections/index.ts'
import type { Principal } from '../../../../src/schema/index.ts'
import {
  createMemoryWriteAdapter,
  createShapeMock,
  type ShapeMock,
  type ShapeMockOptions,
} from '../../../../src/testing/index.ts'

export const electricUrl = 'http://app.test/api/shapes'
export const ann: Principal = { tenantId: 'acme', userId: 'ann' }
export const bob: Principal = { tenantId: 'acme', userId: 'bob' }

export interface OpenMock {
  readonly mock: ShapeMock
  /** Collections that are cleaned up when the test is over. */
  open(options?: Partial<SessionCollectionsOptions>): SessionCollections
}

/** A mock behind a server of its own, both gone when the test is over. */
export function openMock(options: Partial<ShapeMockOptions> = {}): OpenMock {
  const mock = createShapeMock({ electricUrl, principal: ann, ...options })
  const server = setupServer(...mock.handlers)
  server.listen()
  onTestFinished(() => {
    mock.reset()
    server.close()
  })
  return {
    mock,
    open(more) {
      const db = createSessionCollections({
        electricUrl,
        identity: ann,
        writeAdapter: createMemoryWriteAdapter(mock, { principal: ann }),
        ...more,
      })
      onTestFinished(() => db.cleanup())
      return db
    },
  }
}
