import { randomUUID } from 'node:crypto'
import { setPriority } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'

// A user who does everything that could stop others, in parallel, from the message `attack` of the parent
// process until its message `pause`. Then it sends how often each attack was answered with each status
// since it started.
const [url = '', only = ''] = process.argv.slice(2)
// The attacker's own computer is not the server's.
setPriority(19)

let isAttacking = false
const answers: Record<string, Record<string, number>> = {}
const text = (bytes: number, unit: string) => unit.repeat(bytes / unit.length)
const json = { 'content-type': 'application/json' }

async function send(attack: string, path: string, init: RequestInit = {}): Promise<void> {
  const headers = { 'x-user': 'mallory', ...(init.headers as object) }
  const status = await fetch(`${url}/api/${path}`, {
    ...init,
    headers,
    signal: AbortSignal.timeout(60_000),
  } as RequestInit).then(
    async (response) => {
      await response.arrayBuffer()
      return String(response.status)
    },
    () => 'failed',
  )
  const counts = answers[attack] ?? {}
  answers[attack] = counts
  counts[status] = (counts[status] ?? 0) + 1
  // A refusal is answered with the next attempt, but not in a loop that only heats this processor.
  if (status === '429') await pause(20)
}

const write = (attack: string, ...mutations: object[]) =>
  send(attack, 'write', {
    method: 'POST',
    headers: json,
    body: JSON.stringify({ id: randomUUID(), mutations }),
  })

const session = (id: string = randomUUID()) => ({
  collection: 'sessions',
  type: 'insert',
  value: { id, title: 'Mine', visibility: 'tenant' },
})
const row = (collection: string, value: object) => ({ collection, type: 'insert', value })

async function upload(attack: string, bytes: string): Promise<void> {
  const id = randomUUID()
  const metadata = Buffer.from(JSON.stringify({ id, title: 'x', originalName: 'x.jsonl' }))
  await send(attack, 'uploads', {
    method: 'POST',
    headers: {
      'upload-length': String(bytes.length),
      'upload-metadata': `session ${metadata.toString('base64')}`,
    },
  })
  await send(attack, `uploads/${id}`, {
    method: 'PATCH',
    headers: { 'content-type': 'application/offset+octet-stream', 'upload-offset': '0' },
    body: bytes,
  })
}

async function streamMessage(attack: string): Promise<void> {
  const id = randomUUID()
  const value = { id, threadId: 'm-thread', role: 'user', content: '', status: 'streaming' }
  await write(attack, row('chatMessages', { ...value, metadata: { stream: { writer: 'w' } } }))
  for (let seq = 0; seq < 20_000 && isAttacking; seq += 500) {
    const deltas = Array.from({ length: 500 }, (_, n) => ({
      delta: 'x'.repeat(40),
      part: { at: (seq + n) % 7 },
    }))
    await write(attack, {
      collection: 'chatMessages',
      type: 'append',
      id,
      writer: 'w',
      seq,
      deltas,
    })
  }
  const changes = { status: 'complete' }
  await write(attack, { collection: 'chatMessages', type: 'update', id, changes })
}

const polls = Array.from({ length: 200 }, (_, n) => ({
  shape: 'sessions',
  query: `live=true&offset=0_0&handle=none-${n}`,
}))

const newlines = text(10_485_760, '\n')
const nested = text(1_000_000, '[')
const body = text(8_000_000, '[{"x":1},')

const attacks: Record<string, [parallel: number, attack: (name: string) => Promise<unknown>]> = {
  batches: [40, (name) => write(name, ...Array.from({ length: 500 }, () => session()))],
  bodies: [4, (name) => send(name, 'write', { method: 'POST', headers: json, body })],
  streams: [3, streamMessage],
  newlines: [2, (name) => upload(name, newlines)],
  nesting: [2, (name) => upload(name, nested)],
  downloads: [5, (name) => send(name, 'uploads/log/content')],
  searches: [10, (name) => send(name, 'search?q=the')],
  polls: [
    20,
    (name) =>
      send(name, 'shapes/_live', {
        method: 'POST',
        headers: json,
        body: JSON.stringify({ polls }),
      }),
  ],
  snapshots: [10, (name) => send(name, 'shapes/sessions?offset=-1')],
  'events stream': [
    5,
    (name) => send(name, 'shapes/sessions?offset=0_0&handle=h&live=true&live_sse=true'),
  ],
  'taken ids': [2, (name) => write(name, session('private'))],
  'server columns': [
    1,
    (name) => write(name, row('sessions', { id: 'p', title: 'x', sourcePath: '/etc/passwd' })),
  ],
  'refused in a thread': [
    5,
    (name) =>
      write(
        name,
        row('chatMessages', { id: randomUUID(), threadId: 'thread', role: 'user', content: 'x' }),
        { collection: 'chatThreads', type: 'delete', id: 'thread' },
      ),
  ],
  threads: [
    2,
    (name) =>
      write(
        name,
        row('chatThreads', { id: randomUUID(), sessionId: 'm', mode: 'session', title: 'x' }),
      ),
  ],
  grants: [
    2,
    (name) =>
      write(
        name,
        row('sessionGrants', {
          id: randomUUID(),
          sessionId: 'm',
          grantee: `user:${randomUUID()}`,
          role: 'viewer',
        }),
      ),
  ],
}

await write('set-up', session('m'))
await write(
  'set-up',
  row('chatThreads', { id: 'm-thread', sessionId: 'm', mode: 'session', title: 'x' }),
)

async function attackUntilPaused(): Promise<void> {
  const running = Object.entries(attacks).flatMap(([name, [parallel, attack]]) =>
    only !== '' && !only.split(',').includes(name)
      ? []
      : Array.from({ length: parallel }, async () => {
          while (isAttacking) await attack(name)
        }),
  )
  await Promise.all(running)
  process.send?.(answers)
}

process.on('message', (command) => {
  isAttacking = command === 'attack'
  if (isAttacking) void attackUntilPaused()
})
process.on('disconnect', () => process.exit())
process.send?.(answers)
