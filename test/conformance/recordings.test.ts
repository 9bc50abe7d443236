import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import intendedDifferences from './intended-differences.json' with { type: 'json' }
import { readRecordings } from './recording.ts'
import { replay } from './replay.ts'
import { ownTarget, type TargetProvider } from './targets.ts'

const intended = new Set(intendedDifferences.map((entry) => entry.recording))
const recordings = await readRecordings(fileURLToPath(new URL('recordings', import.meta.url)))
// A snapshot's bounds show what else is running: each recording has a Postgres to itself meanwhile.
const free: TargetProvider[] = []
const waiting: (() => void)[] = []

beforeAll(async () => {
  free.push(...(await Promise.all([ownTarget(), ownTarget(), ownTarget()])))
})

afterAll(() => Promise.all(free.map((provider) => provider.stop())))

// `npm run conformance` replays the slow ones, too.
test.concurrent.each(recordings.filter((recording) => !recording.slow))(
  'the shape server answers as the engine did: $name',
  async (recording) => {
    while (free.length === 0) await new Promise<void>((resolve) => waiting.push(resolve))
    const provider = free.shift() as TargetProvider
    try {
      const difference = await replay(recording, await provider.of(recording))
      if (intended.has(recording.name)) expect(difference).toBeDefined()
      else expect(difference).toBeUndefined()
    } finally {
      free.push(provider)
      waiting.shift()?.()
    }
  },
  120_000,
)
