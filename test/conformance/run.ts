import { writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import beyondMemory from './beyond-memory.json' with { type: 'json' }
import { readSettings } from './engine-settings.ts'
import { type Recording, readRecordings } from './recording.ts'
import { type Outcome, replayAll } from './replay-all.ts'
import { replayInMemory } from './replay-in-memory.ts'
import { givenTarget, ownTarget } from './targets.ts'

const here = dirname(fileURLToPath(import.meta.url))

const { values } = parseArgs({
  options: {
    against: { type: 'string' },
    database: { type: 'string' },
    recordings: { type: 'string', default: join(here, 'recordings') },
    json: { type: 'string' },
    only: { type: 'string' },
  },
})

if ((values.against === undefined) !== (values.database === undefined)) {
  throw new Error('--against and --database go together: the shape server and its Postgres')
}

const { against, database } = values
const recordings = await readRecordings(values.recordings, values.only)
if (recordings.length === 0) throw new Error(`no recordings in ${values.recordings}`)
const workers = against === undefined ? Math.min(3, recordings.length) : 1
const providers = await Promise.all(
  Array.from({ length: workers }, () =>
    against !== undefined && database !== undefined
      ? givenTarget({ url: against, databaseUrl: database })
      : ownTarget(),
  ),
)
const needs =
  against !== undefined && database !== undefined
    ? await readSettings({ url: against, databaseUrl: database })
    : () => undefined
const skipped = recordings.filter((recording) => needs(recording) !== undefined)
for (const recording of skipped) {
  console.log(`${recording.name.padEnd(46)} skipped: needs ${needs(recording)}`)
}
const replayed = recordings.filter((recording) => !skipped.includes(recording))
const outcomes = await replayAll(replayed, providers, printOutcome)

const unexpected = outcomes.filter((outcome) => !outcome.same && outcome.intended === undefined)
const same = outcomes.filter((outcome) => outcome.same).length
console.log(
  `\n${same} of ${outcomes.length} same, ${unexpected.length} unexpected differences, ${skipped.length} skipped`,
)
if (values.json) {
  const lines = outcomes.map(({ recording, same, difference }) => ({ recording, same, difference }))
  await writeFile(values.json, `${JSON.stringify(lines, null, 2)}\n`)
}
const inMemory = against === undefined ? await replayAllInMemory(recordings) : []
// Last, because the mock's waiting polls don't keep the process alive.
await Promise.all(providers.map((provider) => provider.stop()))
process.exitCode = unexpected.length > 0 || inMemory.some(({ same }) => !same) ? 1 : 0

/** Replays the recordings whose SQL the shape mock supports. */
async function replayAllInMemory(all: readonly Recording[]): Promise<Outcome[]> {
  const reasons = new Map(beyondMemory.map(({ recording, reason }) => [recording, reason]))
  const done: Outcome[] = []
  console.log('\nRows in memory, as the shape mock has them:\n')
  for (const recording of all) {
    if (reasons.has(recording.name)) continue
    const outcome = await replayInMemory(recording).catch((error: unknown) => ({
      applies: true as const,
      difference: String(error),
    }))
    if (!outcome.applies) continue
    const difference = outcome.difference ?? null
    const same = difference === null
    const shown = { recording: recording.name, same, difference, intended: undefined }
    done.push(shown)
    printOutcome(shown)
  }
  console.log(`\n${done.filter(({ same }) => same).length} of ${done.length} same in memory`)
  return done
}

function printOutcome({ recording, same, difference, intended }: Outcome): void {
  const verdict = same ? 'same' : intended === undefined ? 'DIFFERS' : 'differs, intended'
  console.log(`${recording.padEnd(46)} ${verdict.padEnd(18)} ${difference ?? ''}`)
}
