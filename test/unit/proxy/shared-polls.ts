import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { expect, onTestFinished } from 'vitest'
import { shareLiveRequests } from '../../../src/live/server/share-live-requests.ts'
import { createNodeFetch } from '../../../src/server/proxy/node-fetch.ts'
import { listen } from './serve.ts'

/** Size of a response that is too long to be buffered for all waiting requests. */
export const LONG = 200_000

/** A request that the test answers. */
export interface Poll {
  readonly method: string
  readonly url: string
  readonly response: ServerResponse
  /** Resolves once the request is over, answered or not. */
  readonly closed: Promise<unknown>
}

/** Reads the text of a pending response. */
export const text = async (answer: Promise<Response>) => (await answer).text()

/** Starts a server that keeps every request waiting. */
async function servePolls() {
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
    /** Resolves with all requests once there are this many. */
    async waiting(count: number): Promise<readonly Poll[]> {
      await expect.poll(() => polls.length, { interval: 5 }).toBe(count)
      return polls
    },
  }
}

/** Starts such a server with a fetch that shares live requests to it. */
export async function startSharedPolls() {
  const engine = await servePolls()
  onTestFinished(() => engine.close())
  const send = shareLiveRequests(createNodeFetch())
  const ask = (path: string, init?: RequestInit) => send(`${engine.url}${path}`, init)
  const crowd = (count: number, path: string) => Array.from({ length: count }, () => ask(path))
  return { ...engine, ask, crowd }
}
