import { describe, expect, test } from 'vitest'
import { type ExpectedRow, isConfirmed } from '../../../src/collections/sync/confirm-write.ts'
import {
  createSyncEvidence,
  type SyncEvidence,
} from '../../../src/collections/sync/sync-evidence.ts'
import { fc } from '../../support/property.ts'

const upToDate = { headers: { control: 'up-to-date' } }
const mustRefetch = { headers: { control: 'must-refetch' } }

function changed(txid: number, id = 'x', version?: number) {
  return {
    headers: { operation: 'update', txids: [txid] },
    value: version === undefined ? { id } : { id, version },
  }
}

function snapshotEnd(xmin: string, xmax: string, xip: string[] = []) {
  return { headers: { control: 'snapshot-end', xmin, xmax, xip_list: xip } }
}

function wait(evidence: SyncEvidence, txid: number, rows: ExpectedRow[] = [], end?: AbortSignal) {
  return evidence.wait((shown) => isConfirmed({ txid, rows }, shown), end)
}

function recentTxids(evidence: SyncEvidence) {
  return [...evidence.shown.txids.keys()]
}

async function isSeen(evidence: SyncEvidence, txid: number, rows: ExpectedRow[] = []) {
  const giveUp = new AbortController()
  let seen = false
  const waiting = wait(evidence, txid, rows, giveUp.signal).then(() => {
    if (!giveUp.signal.aborted) seen = true
  })
  await Promise.resolve()
  giveUp.abort()
  await waiting
  return seen
}

function started(...messages: Parameters<SyncEvidence['observe']>[0][]): SyncEvidence {
  const evidence = createSyncEvidence()
  evidence.start()
  for (const message of messages) evidence.observe(message)
  return evidence
}

describe('sync evidence', () => {
  test('counts a txid only once the stream is up to date', async () => {
    const evidence = started(upToDate, changed(7))
    expect(await isSeen(evidence, 7)).toBe(false)
    evidence.observe(upToDate)
    expect(await isSeen(evidence, 7)).toBe(true)
    expect(await isSeen(evidence, 8)).toBe(false)
    expect(recentTxids(evidence)).toEqual([7])
  })

  test('ends a wait that began before', async () => {
    const evidence = started(upToDate)
    const waiting = wait(evidence, 7)
    evidence.observe(changed(7))
    evidence.observe(upToDate)
    await waiting
  })

  test('counts a txid on a move-out', async () => {
    const moveOut = { headers: { event: 'move-out', txids: [9], patterns: [] } }
    expect(await isSeen(started(upToDate, moveOut, upToDate), 9)).toBe(true)
  })

  test('counts what was committed before the first snapshot', async () => {
    const evidence = started(snapshotEnd('10', '13', ['11']), upToDate)
    const seen = await Promise.all([9, 10, 11, 12, 13].map((txid) => isSeen(evidence, txid)))
    expect(seen).toEqual([true, true, false, true, false])
  })

  test('confirms only a move-in’s own rows by its snapshot', async () => {
    const movedIn = {
      headers: { operation: 'insert', is_move_in: true },
      value: { id: 'm1', version: 2 },
    }
    const evidence = started(upToDate, movedIn, snapshotEnd('100', '100'), upToDate)
    expect(await isSeen(evidence, 50)).toBe(false)
    expect(await isSeen(evidence, 50, [{ id: 'm1', version: 2 }])).toBe(true)
    expect(await isSeen(evidence, 50, [{ id: 'm1', version: 3 }])).toBe(false)
    expect(
      await isSeen(evidence, 50, [
        { id: 'm1', version: 2 },
        { id: 'm2', version: 1 },
      ]),
    ).toBe(false)
  })

  test('counts the snapshot after must-refetch, but not the messages just before it', async () => {
    const evidence = started(upToDate, changed(20), mustRefetch, snapshotEnd('30', '30'), upToDate)
    expect(await isSeen(evidence, 29)).toBe(true)
    expect(await isSeen(evidence, 31)).toBe(false)
    expect(recentTxids(evidence)).toEqual([])
  })

  test('confirms a row without versions by its presence', async () => {
    const evidence = started(
      upToDate,
      { headers: { operation: 'insert' }, value: { id: 'e1' } },
      upToDate,
    )
    expect(await isSeen(evidence, 1, [{ id: 'e1', version: 0 }])).toBe(true)
    expect(await isSeen(evidence, 1, [{ id: 'e2', version: 0 }])).toBe(false)
  })

  test('does not wait for a stopped stream', async () => {
    const evidence = started(upToDate)
    const waiting = wait(evidence, 7)
    evidence.stop()
    await waiting
    await wait(evidence, 8)
  })

  test('forgets the previous stream on a new start', async () => {
    const evidence = started(changed(7), upToDate)
    evidence.start()
    expect(await isSeen(evidence, 7)).toBe(false)
  })

  test('remembers only the last 2,000 txids', async () => {
    const evidence = started(upToDate)
    for (let txid = 1; txid <= 2_500; txid++) evidence.observe(changed(txid, `r${txid}`, 1))
    evidence.observe(upToDate)
    expect(await isSeen(evidence, 500)).toBe(false)
    expect(await isSeen(evidence, 501)).toBe(true)
    expect(recentTxids(evidence)).toHaveLength(2_000)
  })

  test('confirms exactly the older txids past epoch 0, at any wraparound', async () => {
    const xids = fc.bigInt({ min: 1n << 33n, max: 1n << 40n })
    const distances = fc.bigInt({ min: -1_000_000n, max: 1_000_000n })
    await fc.assert(
      fc.asyncProperty(xids, distances, async (xmax, distance) => {
        const evidence = started(snapshotEnd(`${xmax}`, `${xmax}`), upToDate)
        const txid = Number(BigInt.asUintN(32, xmax + distance))
        expect(await isSeen(evidence, txid)).toBe(distance < 0n)
      }),
    )
  })
})
