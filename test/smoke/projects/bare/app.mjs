// Only the required peers are installed: no pg, no msw, no development tools.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { createSessionCollections } from '@org/session-db'
import { createSessionStore, createShapeProxy } from '@org/session-db/server'

assert.throws(() => createRequire(import.meta.url).resolve('pg'))
assert.equal(typeof createSessionCollections, 'function')
const authenticate = () => ({ tenantId: 'acme', userId: 'ann' })
const proxy = createShapeProxy({ electricUrl: 'http://127.0.0.1:1', authenticate })
assert.equal((await proxy(new Request('http://app.test/api/shapes/nothing'))).status, 404)

// The app's own driver, with only the parts of Kysely that the store uses.
const principal = authenticate()
const executeQuery = async () => {
  throw new Error('the app’s own driver was called')
}
const connection = () => ({ execute: (work) => work({ executeQuery }) })
const own = createSessionStore({ database: { executeQuery, connection } })
const value = { id: 's1', title: 'x' }
const batch = { id: 'b1', mutations: [{ collection: 'sessions', type: 'insert', value }] }
const refused = await own.write(principal, batch).catch((error) => error)
assert.equal(refused.cause?.message, 'the app’s own driver was called')

const byUrl = createSessionStore({ database: 'postgres://nobody@127.0.0.1:1/none' })
await assert.rejects(byUrl.write(principal, batch), /npm install pg/)
console.log('ok')
process.exit()
