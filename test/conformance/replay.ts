import { Client } from 'pg'
import { type ActualResponse, comparedHeaders, compareResponse } from './compare.ts'
import { createPlaceholders, Difference, type Placeholders } from './placeholders.ts'
import type { Exchange, RecordedTransaction, Recording, Step } from './recording.ts'

/** The server to replay against. */
export interface Target {
  readonly url: string
  readonly databaseUrl: string
}

const settleMs = 300
/** An engine may take this long to process a commit. */
const catchUpLimitMs = 10_000

/**
 * Replays a recording.
 *
 * @returns the first difference; undefined when everything was the same.
 */
export async function replay(recording: Recording, target: Target): Promise<string | undefined> {
  const placeholders = createPlaceholders(recording)
  const database = new Client({ connectionString: target.databaseUrl })
  const open = new Map<string, Client>()
  let at = 'setup'
  try {
    await database.connect()
    for (const sql of recording.setup) await database.query(sql)
    await sleep(settleMs)
    const headers = comparedHeaders(recording)
    for (const [i, step] of recording.steps.entries()) {
      at = `step ${i}`
      await runStep(step, { target, placeholders, database, open, headers })
    }
    return undefined
  } catch (error) {
    if (error instanceof Difference) return `${at}: ${error.message}`
    return `${at}: ${error instanceof Error ? error.message : String(error)}`
  } finally {
    for (const client of [database, ...open.values()]) await client.end().catch(() => undefined)
  }
}

interface Run {
  readonly target: Target
  readonly placeholders: Placeholders
  readonly database: Client
  readonly open: Map<string, Client>
  readonly headers: ReadonlySet<string>
}

async function runStep(step: Step, run: Run): Promise<void> {
  if ('wait' in step) return sleep(step.wait)
  if ('open' in step) {
    const client = new Client({ connectionString: run.target.databaseUrl })
    await client.connect()
    run.open.set(step.open, client)
    await begin(client, step, run.placeholders)
  } else if ('close' in step) {
    await run.open.get(step.close)?.query(step.how)
    await sleep(settleMs)
  } else if ('parallel' in step) {
    const sending = Promise.all(step.parallel.map((exchange) => send(exchange, run)))
    const [answers] = await Promise.all([sending, commitDuring(step.during ?? [], run)])
    for (const [i, exchange] of step.parallel.entries()) {
      compareResponse(
        exchange.response,
        answers[i] as ActualResponse,
        run.headers,
        run.placeholders,
      )
    }
    if (step.parallel.some((exchange) => exchange.request.method === 'DELETE'))
      await sleep(settleMs)
  } else if ('request' in step) {
    await exchange(step, run, isCatchUp(step) ? Date.now() + catchUpLimitMs : 0)
    await pauseAfter(step)
  } else {
    await commit(step, run)
    await sleep(settleMs)
  }
}

/** Sends a request and compares its answer; retries while it differs and there is time. */
async function exchange(step: Exchange, run: Run, deadline: number): Promise<void> {
  const { headers, placeholders } = run
  const sending = send(step, run)
  const [answer] = await Promise.all([sending, commitDuring(step.during ?? [], run)])
  try {
    placeholders.attempt(() => compareResponse(step.response, answer, headers, placeholders))
  } catch (error) {
    if (Date.now() > deadline) throw error
    await sleep(settleMs)
    await exchange(step, run, deadline)
  }
}

/** Returns whether a request reads committed changes that a busy engine may not have processed yet. */
function isCatchUp({ request: { method, query }, read, during }: Exchange): boolean {
  const waits = query.live !== undefined || read !== undefined || during !== undefined
  return method === 'GET' && query.handle !== undefined && !waits
}

async function pauseAfter({ request }: Exchange): Promise<void> {
  if (request.method === 'DELETE') await sleep(settleMs)
  else if (request.query.offset === '-1' || request.query.offset === 'now') await sleep(150)
}

async function commitDuring(transactions: readonly RecordedTransaction[], run: Run): Promise<void> {
  for (const transaction of transactions) {
    await sleep(150)
    await commit(transaction, run)
  }
}

async function commit(transaction: RecordedTransaction, run: Run): Promise<void> {
  await begin(run.database, transaction, run.placeholders)
  await run.database.query('COMMIT')
}

async function begin(
  client: Client,
  transaction: RecordedTransaction,
  placeholders: Placeholders,
): Promise<void> {
  await client.query('BEGIN')
  const { rows } = await client.query('SELECT pg_current_xact_id()::text AS id')
  if (transaction.txid) placeholders.bind(transaction.txid, rows[0].id)
  for (const sql of transaction.sql) await client.query(sql)
}

async function send(exchange: Exchange, run: Run): Promise<ActualResponse> {
  if (exchange.delay) await sleep(exchange.delay)
  const { request, read } = exchange
  const { fill } = run.placeholders
  const url = new URL(request.path, run.target.url)
  for (const [name, value] of Object.entries(request.query))
    url.searchParams.append(name, fill(value))
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(request.headers)) headers[name] = fill(value)
  const abort = new AbortController()
  const response = await fetch(url, {
    method: request.method,
    headers,
    signal: abort.signal,
    ...(request.body === null ? {} : { body: bodyText(request.body) }),
  })
  const { status, headers: got } = response
  if (!read || !response.body) return { status, headers: got, text: await response.text() }
  const stream = await readEvents(response.body, read)
  abort.abort()
  return { status, headers: got, ...stream }
}

function bodyText(body: unknown): string {
  return typeof body === 'string' ? body : JSON.stringify(body)
}

/** Reads an SSE answer until it has the given number of data events, ends, or times out. */
async function readEvents(
  body: ReadableStream<Uint8Array>,
  { events, ms }: { events: number; ms: number },
): Promise<{ text: string; ended: boolean }> {
  const reader = body.getReader()
  const decoder = new TextDecoder()
  const timeout = sleep(ms).then(() => 'timeout' as const)
  let text = ''
  for (;;) {
    const next = await Promise.race([reader.read(), timeout])
    if (next === 'timeout') return { text, ended: false }
    if (next.done) return { text, ended: true }
    text += decoder.decode(next.value, { stream: true })
    if ((text.match(/^data: /gm)?.length ?? 0) >= events && text.endsWith('\n\n')) {
      return { text, ended: false }
    }
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
