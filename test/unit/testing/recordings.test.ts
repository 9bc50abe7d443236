import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import beyondMemory from '../../conformance/beyond-memory.json' with { type: 'json' }
import { readRecordings } from '../../conformance/recording.ts'
import { replayInMemory } from '../../conformance/replay-in-memory.ts'

const recordings = await readRecordings(join(import.meta.dirname, '../../conformance/recordings'))

/** What a recording asks that rows in memory, with conditions for where clauses, are not made for. */
const elsewhere = new Set(beyondMemory.map(({ recording }) => recording))

/** Those whose SQL is within reach: none of them may silently drop out. */
const replayed = [
  'conflict-unknown-handle',
  'delete-shape',
  'delete-shape-live',
  'domain-cascade-delete',
  'domain-child-revoke-and-write',
  'domain-child-subquery-never-granted',
  'domain-child-subquery-revoke-grant',
  'domain-child-subquery-unrelated',
  'domain-parent-and-child',
  'domain-sessions-visibility',
  'domain-two-shapes-one-transaction',
  'drop-table-reconciled',
  'etag-304',
  'head-and-options',
  'health',
  'live-already-changed',
  'live-cursor',
  'live-insert-update-delete',
  'live-multi-table-transaction',
  'live-no-op-update',
  'live-primary-key-update',
  'live-replica-full',
  'live-timeout',
  'snapshot-composite-pk',
  'snapshot-empty-table',
  'snapshot-three-rows',
  'subquery-move-in-out',
]

describe('the mock responds as the recorded engine did', () => {
  test.each(replayed)('%s', async (name) => {
    const recording = recordings.find((one) => one.name === name)
    if (recording === undefined) throw new Error(`There is no recording ${name}`)
    expect(await replayInMemory(recording)).toEqual({ applies: true, difference: undefined })
  })

  test.each(recordings.filter(({ name }) => !replayed.includes(name) && !elsewhere.has(name)))(
    '$name is beyond rows in memory',
    async (recording) => {
      expect(await replayInMemory(recording)).toMatchObject({ applies: false })
    },
  )
})
