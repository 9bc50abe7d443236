import { describe, expect, test } from 'vitest'
import { createPageMemory } from '../../../src/dev/protocol/page-memory.ts'
import { createShapeLog, type ShapeLog } from '../../../src/dev/protocol/shape-log.ts'
import { textWriter } from '../../../src/dev/protocol/snapshot-chunk.ts'
import type { PageLoan } from '../../../src/dev/protocol/snapshot-pages.ts'
import { fc } from '../../support/property.ts'

const chunkBytes = 8

interface Filled {
  readonly log: ShapeLog
  /** Bodies by page. */
  readonly bodies: readonly string[]
}

/** A log of pages of one message each; every page but the first and the last fills a piece of memory. */
function fill(memory: ReturnType<typeof createPageMemory>, name: string): Filled {
  const log = createShapeLog({ handle: name, chunkBytes, memory })
  const rows = ['a', 'b', 'c'].map((row) => row.repeat(memory.pageBytes * 0.95) + name)
  for (const row of rows) log.writeSnapshotMessage(row.length, textWriter(row))
  log.endSnapshot('{}')
  return { log, bodies: [...rows, '{}'].map((text) => `[${text}]`) }
}

function textOf(loan: PageLoan): string {
  return new TextDecoder().decode(loan.bytes)
}

describe('the memory of pages', () => {
  test('is used again once it has been put back, by nobody else at the same time', () => {
    const memory = createPageMemory(chunkBytes)
    const bytes = memory.take()
    memory.putBack(bytes.buffer)
    memory.putBack(new ArrayBuffer(memory.pageBytes - 1))
    expect(memory.take().buffer).toBe(bytes.buffer)
    expect(memory.take().buffer).not.toBe(bytes.buffer)
  })

  test('is used again by the log after one that has expired', async () => {
    const memory = createPageMemory(chunkBytes)
    const { log } = fill(memory, 'first')
    const page = await log.read({ tx: 0n, op: 0 })
    const loan = page.lend?.() as PageLoan
    log.expire()
    const takeAll = () => [memory.take(), memory.take()].map(({ buffer }) => buffer)
    expect(takeAll()).not.toContain(loan.bytes.buffer)
    loan.end()
    loan.end()
    expect(takeAll()).toContain(loan.bytes.buffer)
    expect(takeAll()).not.toContain(loan.bytes.buffer)
  })

  test.each([0, 1])('of a log that has expired is lent no more, with %i loans out', async (out) => {
    const { log } = fill(createPageMemory(chunkBytes), 'gone')
    const page = await log.read('before-all')
    for (let loans = 0; loans < out; loans++) page.lend?.()
    log.expire()
    expect(() => page.lend?.()).toThrow('expired')
    expect(() => page.messages).toThrow('expired')
  })

  test('stays as it is while it is lent, whatever becomes of its log', async () => {
    const step = fc.record({
      does: fc.constantFrom('fill', 'lend', 'expire', 'end'),
      which: fc.nat(),
      page: fc.nat(3),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const memory = createPageMemory(chunkBytes)
        const logs: Filled[] = []
        const loans: { loan: PageLoan; body: string }[] = []
        for (const [i, { does, which, page }] of steps.entries()) {
          const { log, bodies } = logs[which % logs.length] ?? {}
          if (does === 'fill') logs.push(fill(memory, `log ${i}`))
          else if (does === 'expire') log?.expire()
          else if (does === 'end') loans.splice(which % loans.length || 0, 1)[0]?.loan.end()
          else if (log?.state === 'live') {
            const { lend } = await log.read(page === 0 ? 'before-all' : { tx: 0n, op: page - 1 })
            loans.push({ loan: lend?.() as PageLoan, body: bodies?.[page] as string })
          }
          for (const { loan, body } of loans) expect(textOf(loan) === body).toBe(true)
        }
      }),
    )
  })
})
