import { expect, test } from 'vitest'
import { fc } from '../../support/property.ts'
import { LONG, type Poll, startSharedPolls, text } from './shared-polls.ts'

const soon = { interval: 5 }
type Step =
  | { do: 'ask'; place: string }
  | { do: 'leave'; nth: number }
  | { do: 'answer' | 'break'; nth: number; bytes: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('ask' as const), place: fc.constantFrom('a', 'b') }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('leave' as const), nth: fc.nat(20) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('answer' as const, 'answer' as const, 'break' as const),
      nth: fc.nat(20),
      bytes: fc.constantFrom(0, 10, LONG),
    }),
  },
)

/** A request: its place, the responses before it, and its outcome. */
interface Asker {
  readonly place: string
  readonly answered: number
  readonly leaving: AbortController
  readonly outcome: Promise<string>
}

test('every request gets a complete response to its own place, sent after it was made, whatever else joins, leaves or fails', async () => {
  const { ask, polls } = await startSharedPolls()
  let answered = 0
  const open = () => polls.filter(({ response }) => !response.writableEnded && !response.destroyed)

  function answer({ url, response }: Poll, bytes: number, breaks: boolean): void {
    answered += 1
    const body = `${url} ${answered} ${bytes} ${'x'.repeat(bytes)}`
    if (!breaks) response.end(body)
    else response.write(body.slice(0, -1), () => response.destroy())
  }

  function asker(place: string): Asker {
    const leaving = new AbortController()
    const outcome = text(ask(place, { signal: leaving.signal })).catch(() => 'failed')
    return { place, answered, leaving, outcome }
  }

  function check({ place, answered: before }: Asker, outcome: string): void {
    if (outcome === 'failed') return
    const [url, serial, bytes, rest] = outcome.split(' ')
    expect(url).toBe(place)
    expect(Number(serial)).toBeGreaterThan(before)
    expect(rest).toHaveLength(Number(bytes))
  }

  async function play(steps: readonly Step[]): Promise<void> {
    const askers: Asker[] = []
    let broken = 0
    for (const one of steps) {
      if (one.do === 'ask') askers.push(asker(`/?live=true&offset=${one.place}`))
      else if (one.do === 'leave') askers[one.nth % (askers.length || 1)]?.leaving.abort()
      else {
        const poll = open()[one.nth % (open().length || 1)]
        if (poll === undefined) continue
        if (one.do === 'break') broken += 1
        answer(poll, one.bytes, one.do === 'break')
      }
      await new Promise(setImmediate)
    }
    let left = askers.length
    for (const { outcome } of askers) void outcome.then(() => left--)
    // Long responses, and requests still on their way, are sent once more.
    await expect
      .poll(() => {
        for (const poll of open()) answer(poll, 10, false)
        return left
      }, soon)
      .toBe(0)
    const outcomes = await Promise.all(askers.map(({ outcome }) => outcome))
    for (const [index, one] of askers.entries()) check(one, outcomes[index] ?? '')
    const stayed = outcomes.filter((_, index) => !askers[index]?.leaving.signal.aborted)
    if (broken === 0) expect(stayed).not.toContain('failed')
    await expect.poll(open, soon).toEqual([])
  }

  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 25 }), play), { numRuns: 150 })
}, 60_000)
