import { describe, expect, test } from 'vitest'
import { AFTER_SNAPSHOT, type LogOffset } from '../../../src/dev/protocol/offset.ts'
import { createShapeLog, type ShapeLog } from '../../../src/dev/protocol/shape-log.ts'
import { fc } from '../../support/property.ts'

const end = '{"end":true}'

async function readAll(log: ShapeLog, from: LogOffset | 'before-all'): Promise<string[]> {
  const messages: string[] = []
  let page = await log.read(from)
  for (;;) {
    messages.push(...page.messages)
    if (page.complete) return messages
    page = await log.read(page.end)
  }
}

describe('the log of a shape', () => {
  test('reads every message once and in order, page by page, for any page size', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 50 }),
        fc.array(fc.string({ maxLength: 20 })),
        fc.array(fc.array(fc.string({ maxLength: 20 }), { minLength: 1, maxLength: 5 })),
        async (chunkBytes, rows, transactions) => {
          const log = createShapeLog({ handle: 'h', chunkBytes })
          for (const row of rows) log.addSnapshotMessage(row)
          log.endSnapshot(end)
          for (const [i, messages] of transactions.entries()) {
            const tx = BigInt(100 + i)
            log.append(messages.map((json, op) => ({ offset: { tx, op }, json })))
          }
          expect(await readAll(log, 'before-all')).toEqual([...rows, end, ...transactions.flat()])
        },
      ),
    )
  })

  test('keeps existing pages unchanged while the log grows', async () => {
    const log = createShapeLog({ handle: 'h', chunkBytes: 4 })
    log.addSnapshotMessage('row1')
    log.addSnapshotMessage('row2')
    const first = await log.read('before-all')
    log.endSnapshot(end)
    log.append([{ offset: { tx: 7n, op: 0 }, json: 'aaaa' }])
    const page = await log.read(AFTER_SNAPSHOT)
    log.append([{ offset: { tx: 8n, op: 0 }, json: 'b' }])
    expect((await log.read('before-all')).messages).toEqual(first.messages)
    expect((await log.read(AFTER_SNAPSHOT)).messages).toEqual(page.messages)
  })

  test('waits for the snapshot when reading ahead of it', async () => {
    const log = createShapeLog({ handle: 'h', chunkBytes: 100 })
    const reading = log.read('before-all')
    log.addSnapshotMessage('row')
    log.endSnapshot(end)
    expect((await reading).messages).toEqual(['row', end])
  })

  test('fails present and later reads after a failed snapshot', async () => {
    const log = createShapeLog({ handle: 'h', chunkBytes: 100 })
    const reading = log.read('before-all')
    log.fail(new Error('no table'))
    await expect(reading).rejects.toThrow('no table')
    await expect(log.read('before-all')).rejects.toThrow('no table')
  })

  test('ends a wait on change, expiry, abort or timeout, without leaving a waiter behind', async () => {
    const log = createShapeLog({ handle: 'h', chunkBytes: 100 })
    log.endSnapshot(end)
    const abort = new AbortController()
    const changed = log.wait(10_000)
    log.append([{ offset: { tx: 7n, op: 0 }, json: 'a' }])
    expect(await changed).toBe('changed')
    const aborted = log.wait(10_000, abort.signal)
    abort.abort()
    expect(await aborted).toBe('aborted')
    expect(await log.wait(1)).toBe('timeout')
    const expired = log.wait(10_000)
    log.expire()
    expect(await expired).toBe('expired')
    expect(await log.wait(10_000)).toBe('expired')
    expect(log.waiting).toBe(0)
  })

  test('counts the last value of hold() in its size', () => {
    const log = createShapeLog({ handle: 'h', chunkBytes: 100 })
    log.endSnapshot(end)
    const alone = log.size
    log.hold(5000)
    log.hold(1000)
    expect(log.size).toBe(alone + 1000)
  })

  test('refuses messages that could make an answer too long for a string', () => {
    const log = createShapeLog({ handle: 'h', chunkBytes: 100 })
    const json = 'x'.repeat(128 * 2 ** 20 + 1)
    expect(() => log.addSnapshotMessage(json)).toThrow('row is too large')
    log.endSnapshot(end)
    expect(() => log.append([{ offset: { tx: 7n, op: 0 }, json }])).toThrow('row is too large')
    expect(log.lastOffset).toEqual(AFTER_SNAPSHOT)
  })

  test('ignores changes after it has expired', async () => {
    const log = createShapeLog({ handle: 'h', chunkBytes: 100 })
    log.endSnapshot(end)
    log.expire()
    log.append([{ offset: { tx: 7n, op: 0 }, json: 'a' }])
    expect(log.lastOffset).toEqual(AFTER_SNAPSHOT)
  })
})
