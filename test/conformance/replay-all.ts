import intendedDifferences from './intended-differences.json' with { type: 'json' }
import type { Recording } from './recording.ts'
import { replay } from './replay.ts'
import type { TargetProvider } from './targets.ts'

/** The result of one recording. */
export interface Outcome {
  readonly recording: string
  readonly same: boolean
  readonly difference: string | null
  /** The reason for an intended difference. */
  readonly intended: string | undefined
}

/**
 * Replays recordings, one at a time on each provider: a snapshot's bounds show what else is running.
 *
 * @param onOutcome called with each result
 */
export async function replayAll(
  recordings: readonly Recording[],
  providers: readonly TargetProvider[],
  onOutcome: (outcome: Outcome) => void = () => {},
): Promise<Outcome[]> {
  const reasons = new Map(intendedDifferences.map((entry) => [entry.recording, entry.reason]))
  const outcomes: Outcome[] = []
  // Slow ones first, so that the others run meanwhile.
  const queue = [...recordings].sort((a, b) => Number(b.slow ?? false) - Number(a.slow ?? false))
  await Promise.all(
    providers.map(async (provider) => {
      for (let recording = queue.shift(); recording; recording = queue.shift()) {
        const difference = (await replay(recording, await provider.of(recording))) ?? null
        const same = difference === null
        const intended = same ? undefined : reasons.get(recording.name)
        const outcome = { recording: recording.name, same, difference, intended }
        outcomes.push(outcome)
        onOutcome(outcome)
      }
    }),
  )
  return outcomes.sort((a, b) => a.recording.localeCompare(b.recording))
}
