const assert = require('node:assert/strict')
const { createSessionCollections, SessionDbError } = require('@org/session-db')
const server = require('@org/session-db/server')
const { createShapeMock } = require('@org/session-db/testing')
const { startDevStack } = require('@org/session-db/dev')
const { createMetrics } = require('@org/session-db/metrics')
const { createS3ContentStore } = require('@org/session-db/s3')
const { legacySnapshotGuard } = require('@org/session-db/vite')

assert.equal(require('@org/session-db/package.json').name, '@org/session-db')
for (const entry of [startDevStack, createMetrics, createS3ContentStore, legacySnapshotGuard]) {
  assert.equal(typeof entry, 'function')
}

async function main() {
  const proxy = server.createShapeProxy({
    electricUrl: 'http://127.0.0.1:1',
    authenticate: () => null,
  })
  const answer = await proxy(new Request('http://app.test/api/shapes/sessions'))
  assert.equal(answer.status, 401)
  assert.throws(
    () => server.parseWriteBatch({}),
    (error) => error instanceof SessionDbError,
  )
  const principal = { tenantId: 'acme', userId: 'ann' }
  const mock = createShapeMock({ electricUrl: 'http://app.test', principal })
  assert.deepEqual(mock.rows('sessions'), [])
  const db = createSessionCollections({
    electricUrl: 'http://app.test',
    writeAdapter: async () => ({}),
  })
  assert.equal(db.session('s1'), db.session('s1'))
  console.log('ok')
  process.exit()
}
main()
