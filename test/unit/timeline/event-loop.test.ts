import { expect, test } from 'vitest'
import { chunked, deriveLog } from './derive-log.ts'

const MEBIBYTE = 1024 * 1024

/** CPU time of this thread in ms: other work of a busy machine must not count. */
function cpuTime(): number {
  const { user, system } = (process.threadCpuUsage ?? process.cpuUsage)()
  return (user + system) / 1_000
}

/** Records the length of each turn of the event loop while `work` runs, in ms. */
async function watchLoop(work: () => Promise<unknown>): Promise<number[]> {
  const turns: number[] = []
  let last = cpuTime()
  let isRunning = true
  const turn = () => {
    const now = cpuTime()
    turns.push(now - last)
    last = now
    if (isRunning) setImmediate(turn)
  }
  setImmediate(turn)
  await work()
  turn()
  isRunning = false
  return turns.sort((a, b) => a - b)
}

const header =
  '{"timestamp":"2026-09-01T10:00:00.000Z","type":"session_meta","payload":{"id":"x"}}\n'
const codexText = (text: string) =>
  `${header}${JSON.stringify({
    timestamp: '2026-09-01T10:00:01.000Z',
    type: 'event_msg',
    payload: { type: 'user_message', message: text },
  })}\n`

const inputs: [name: string, log: () => string | Uint8Array][] = [
  ['4 MiB of line feeds', () => Buffer.alloc(4 * MEBIBYTE, '\n')],
  ['MiBs of short lines', () => Buffer.alloc(MEBIBYTE, 'x\n')],
  ['MiBs of empty objects', () => Buffer.alloc(MEBIBYTE, '{}\n')],
  ['millions of brackets', () => `${'['.repeat(3 * MEBIBYTE)}${']'.repeat(3 * MEBIBYTE)}`],
  [
    'a million nested objects',
    () => `${header}${'{"a":'.repeat(MEBIBYTE)}1${'}'.repeat(MEBIBYTE)}`,
  ],
  ['a document nested a million deep', () => `{"messages":[\n${'[\n'.repeat(MEBIBYTE / 4)}`],
  ['a document of many messages', () => `[\n${'{"role":"user"},\n'.repeat(MEBIBYTE / 32)}{}]`],
  ['a line of 7 MiB', () => codexText('word '.repeat((7 * MEBIBYTE) / 5))],
  ['a line of 40 MiB', () => codexText('x'.repeat(40 * MEBIBYTE))],
  ['7 MiB of objects on a line', () => `${header}${'{"timestamp":1}'.repeat((7 * MEBIBYTE) / 15)}`],
  [
    '7 MiB of cut records on a line',
    () => `${header}${'{"timestamp":{"'.repeat((7 * MEBIBYTE) / 15)}`,
  ],
  [
    'an injected element of 7 MiB',
    () => codexText('<environment_context>'.repeat((7 * MEBIBYTE) / 21)),
  ],
]

/** Turns below this end; a garbage collection or the first compilation of the parsers may take longer once. */
const MOST_MS = 100
const ONCE_MS = 400

test.each(inputs)('lets others run while it derives %s', { timeout: 120_000 }, async (_, make) => {
  const log = Buffer.from(make() as string)
  let bytes = 0
  const turns = await watchLoop(async () => {
    bytes = (await deriveLog(chunked(log, 256 * 1024))).summary.bytes
  })
  expect(bytes).toBe(log.length)
  expect(turns.at(-1)).toBeLessThan(ONCE_MS)
  expect(turns.filter((turn) => turn >= MOST_MS).length).toBeLessThanOrEqual(1)
  // More than one piece of work, whatever the time each takes.
  expect(turns.length).toBeGreaterThanOrEqual(2)
})

test('turns the event loop many times for many lines', { timeout: 60_000 }, async () => {
  const log = Buffer.alloc(MEBIBYTE, '{"role":"user","text":"x"}\n')
  const turns = await watchLoop(() => deriveLog(chunked(log, log.length)))
  expect(turns.length).toBeGreaterThan(10)
})
