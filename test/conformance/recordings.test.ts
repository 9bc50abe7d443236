import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import intendedDifferences from './intended-differences.json' with { type: 'json' }
import { readRecordings } from './recording.ts'
import { replay } from './replay.ts'
import { ownTarget, type TargetProvider } from './targets.ts'

const intended = new Set(intendedDifferences.map((entry) => entry.recording))
const recordings = await readRecordings(fileURLToPath(new URL('recordings', import.meta.url)))
let provider: TargetProvider

beforeAll(async () => {
  provider = await ownTarget()
})

afterAll(() => provider?.stop())

// `npm run conformance` replays the slow ones, too.
test.each(recordings.filter((recording) => !recording.slow))(
  'the shape server answers as the engine did: $name',
  async (recording) => {
    const difference = await replay(recording, await provider.of(recording))
    if (intended.has(recording.name)) expect(difference).toBeDefined()
    else expect(difference).toBeUndefined()
  },
  60_000,
)
