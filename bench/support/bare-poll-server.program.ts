import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { startBareStream } from './bare-stream.ts'
import { serveParent } from './serve-parent.ts'

/**
 * The minimal live-poll server: it holds requests by group and answers them with the rows that a commit
 * inserted into the group; `?group=*` gets every row. It keeps no log, so a client that is not waiting
 * when a commit arrives misses it; `/waiting` returns how many wait.
 */
const { databaseUrl, table } = JSON.parse(process.argv[2] ?? '{}') as {
  databaseUrl: string
  table: string
}
const waiting = new Map<string, ServerResponse[]>()
let rows: Record<string, unknown>[] = []

const stream = await startBareStream({
  databaseUrl,
  name: `bare_${table}`,
  tables: [table],
  onInsert: (row) => rows.push(row),
  onCommit() {
    answer('*', rows)
    for (const group of new Set(rows.map((row) => String(row.group_id)))) {
      answer(
        group,
        rows.filter((row) => String(row.group_id) === group),
      )
    }
    rows = []
  },
})

const server = createServer((request, response) => {
  const url = new URL(request.url ?? '/', 'http://localhost')
  if (url.pathname === '/waiting') {
    response.end(String([...waiting.values()].reduce((sum, group) => sum + group.length, 0)))
    return
  }
  const group = url.searchParams.get('group') ?? '*'
  const others = waiting.get(group)
  if (others) others.push(response)
  else waiting.set(group, [response])
})
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo
  serveParent(`http://127.0.0.1:${port}`, async () => {
    server.close()
    server.closeAllConnections()
    await stream.stop()
  })
})

function answer(group: string, inserted: readonly Record<string, unknown>[]): void {
  const responses = waiting.get(group)
  if (!responses) return
  waiting.delete(group)
  const body = JSON.stringify(inserted)
  for (const response of responses) {
    response.setHeader('content-type', 'application/json')
    response.end(body)
  }
}
