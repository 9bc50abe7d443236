/** An app's server with all that can keep a process alive. Prints its URL; SIGTERM shuts it down. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Pool } from 'pg'
import { createShapeProxy } from '../../../src/server/proxy/node-shape-proxy.ts'
import { createShutdown } from '../../../src/server/shutdown.ts'
import { createSessionStore } from '../../../src/server/store/index.ts'
import { watchAbandonedMessages } from '../../../src/server/streaming/index.ts'
import { answerOver } from '../../unit/proxy/serve.ts'

const [electricUrl = '', database = ''] = process.argv.slice(2)
const pool = new Pool({ connectionString: database })
const store = createSessionStore({ database })
const worker = store.startWorker()
const watch = watchAbandonedMessages({ database: pool, everyMs: 50 })
const serveShape = createShapeProxy({
  electricUrl,
  authenticate: () => ({ tenantId: 'acme', userId: 'ada' }),
})
/** Answers half of it when it begins, and the rest after the shutdown has begun. */
let finishSlow = () => {}
const server = createServer((incoming, outgoing) => {
  if (incoming.url !== '/slow') return answerOver(serveShape, incoming, outgoing)
  outgoing.write('first ')
  finishSlow = () => outgoing.end('last')
})
const shutdown = createShutdown({
  server,
  stop: [serveShape, worker, watch, () => setTimeout(finishSlow, 50)],
  close: [store, pool],
})
process.once('SIGTERM', shutdown)
await store.listSessions({ tenantId: 'acme', userId: 'ada' })
server.listen(0, '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
})
