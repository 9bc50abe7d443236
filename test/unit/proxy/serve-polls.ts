import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { expect } from 'vitest'
import { listen } from './serve.ts'

/** A request that a test answers when it wants to. */
export interface Poll {
  readonly method: string
  readonly url: string
  readonly response: ServerResponse
  /** Resolves once the connection is done with it, answered or not. */
  readonly closed: Promise<unknown>
}

/** A server that lets every request wait. */
export async function servePolls() {
  const polls: Poll[] = []
  const { url, close } = await listen((request, response) => {
    polls.push({
      method: request.method ?? '',
      url: request.url ?? '',
      response,
      closed: once(response, 'close'),
    })
  })
  return {
    url,
    close,
    polls,
    /** Resolves with all requests there have been, once they are so many. */
    async waiting(count: number): Promise<readonly Poll[]> {
      await expect.poll(() => polls.length, { interval: 5 }).toBe(count)
      return polls
    },
  }
}
