/**
 * A server that is killed. `upload`: uploads a log, slowly enough to be killed meanwhile. `derive`:
 * works on what is queued. Prints a line when it has begun.
 */
import { createSessionStore } from '../../../src/server/store/index.ts'
import { codexLog } from './log-file.ts'

const [what, database = '', sessionId = '', events = '0'] = process.argv.slice(2)
const principal = { tenantId: 'acme', userId: 'ada' }
const store = createSessionStore({ database, onError: (error) => console.error(error) })

async function* endless(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += 65_536) yield bytes.subarray(at, at + 65_536)
  // Everything has come but the end of the request.
  await new Promise(() => setInterval(() => {}, 1_000))
}

console.log('begun')
if (what === 'derive') store.startWorker({ pollMs: 10, leaseMs: 1_000, progressMs: 10 })
else await store.uploadContent(principal, sessionId, endless(codexLog(Number(events))))
