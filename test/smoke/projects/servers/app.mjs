// Starts the same handlers in a server, and looks at what a user of it would see.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, request } from 'node:http'
import { createConnection } from 'node:net'

const [, , framework, ...command] = process.argv
/** Requests to the engine: how many of them are open. */
let open = 0
const engine = createServer((incoming, outgoing) => {
  open += 1
  outgoing.on('close', () => (open -= 1))
  const headers = { 'electric-handle': 'h1', 'electric-offset': '0_0', 'electric-schema': '{}' }
  const isLive = incoming.url.includes('live=true')
  if (!isLive) outgoing.writeHead(200, headers).end('[]')
  else if (incoming.url.includes('live_sse')) outgoing.writeHead(200, headers).write('data: 1\n\n')
})
engine.listen(0, '127.0.0.1')
await once(engine, 'listening')
const port = await freePort()
const child = spawn(process.execPath, [`${framework}.ts`, ...command], {
  env: {
    ...process.env,
    PORT: String(port),
    ELECTRIC_URL: `http://127.0.0.1:${engine.address().port}`,
    NODE_NO_WARNINGS: '1',
  },
  stdio: ['ignore', 'pipe', 'pipe'],
})
let printed = ''
for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (printed += text))
const url = `http://127.0.0.1:${port}`
const headers = { 'x-user': 'ann', 'content-type': 'application/json' }
try {
  await until(() =>
    fetch(url).then(
      () => true,
      () => false,
    ),
  )
  const live = 'audience=user%3Aann&offset=0_0&handle=h1&cursor=1&live=true'
  const snapshot = await fetch(`${url}/api/shapes/sessions?audience=user%3Aann&offset=-1`, {
    headers,
  })
  assert.deepEqual([snapshot.status, await snapshot.text()], [200, '[]'])
  assert.equal((await fetch(`${url}/api/shapes/sessions?offset=-1`)).status, 401)
  const batch = JSON.stringify({ id: 'b1', mutations: [] })
  const written = await fetch(`${url}/api/write`, { method: 'POST', headers, body: batch })
  assert.deepEqual([written.status, (await written.json()).txid], [200, 1])

  const polls = JSON.stringify({ polls: [{ shape: 'sessions', query: live }] })
  await leave(`/api/shapes/sessions?${live}`)
  await leave(`/api/shapes/sessions?${live}&live_sse=true`)
  await leave('/api/shapes/_live', { method: 'POST', body: polls })
  await leaveHalfway('/api/write')
  assert.equal(printed, '', 'a client that leaves is no error')

  const poll = fetch(`${url}/api/shapes/sessions?${live}`, { headers })
  const events = await fetch(`${url}/api/shapes/sessions?${live}&live_sse=true`, { headers })
  await until(() => open === 2)
  const begun = performance.now()
  child.kill('SIGTERM')
  const [code] = await once(child, 'exit')
  const ms = Math.round(performance.now() - begun)
  assert.equal(code, 0)
  assert.ok(ms < 5_000, `exits after ${ms} ms`)
  assert.deepEqual(await (await poll).json(), [{ headers: { control: 'up-to-date' } }])
  assert.equal(await events.text(), 'data: 1\n\n')
  assert.equal(printed, '')
  console.log(`${framework}: ok, exits ${ms} ms after the signal`)
} catch (error) {
  console.error(printed)
  throw error
} finally {
  child.kill('SIGKILL')
  engine.closeAllConnections()
  engine.close()
}

/** Disconnects while the engine holds the request, and waits until the engine's is aborted. */
async function leave(path, { method = 'GET', body } = {}) {
  const client = request(`${url}${path}`, { method, headers }).end(body)
  client.on('error', () => {})
  client.on('response', (response) => response.on('error', () => {}).resume())
  await until(() => open === 1)
  client.destroy()
  await until(() => open === 0)
}

/** Disconnects before the body has arrived. */
async function leaveHalfway(path) {
  const client = createConnection(port, '127.0.0.1')
  await once(client, 'connect')
  client.write(
    `POST ${path} HTTP/1.1\r\nhost: x\r\nx-user: ann\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{`,
  )
  client.on('error', () => {})
  // Long enough for the handler to begin, on a server that gives no sign of it.
  await new Promise((resolve) => setTimeout(resolve, 200))
  client.resetAndDestroy()
  await new Promise((resolve) => setTimeout(resolve, 200))
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port: found } = server.address()
  server.close()
  await once(server, 'close')
  return found
}

async function until(isTrue) {
  for (const deadline = Date.now() + 30_000; Date.now() < deadline; ) {
    if (await isTrue()) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error('What was waited for has not happened.')
}
