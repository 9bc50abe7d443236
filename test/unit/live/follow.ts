import type { LivePoll } from '../../../src/live/protocol.ts'

/** A stream like ShapeStream: polls, applies, continues from there; retries on failure. */
export interface Follower {
  readonly lines: string[]
  readonly statuses: number[]
  stop(): void
}

/** Follows a shape's log from its beginning with live polls only. */
export function follow(
  ask: (poll: LivePoll, signal: AbortSignal) => Promise<Response>,
  shape: string,
): Follower {
  const aborter = new AbortController()
  const follower: Follower = { lines: [], statuses: [], stop: () => aborter.abort() }
  void run()
  return follower

  async function run(): Promise<void> {
    let offset = '0_0'
    let cursor = ''
    while (!aborter.signal.aborted) {
      const query = new URLSearchParams({ cursor, handle: `${shape}-1`, live: 'true', offset })
      try {
        const response = await ask({ shape, query: query.toString() }, aborter.signal)
        follower.statuses.push(response.status)
        if (!response.ok) throw new Error(`answered ${response.status}`)
        follower.lines.push(...((await response.json()) as string[]))
        offset = response.headers.get('electric-offset') ?? ''
        cursor = response.headers.get('electric-cursor') ?? ''
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
  }
}
