import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { expect, onTestFinished } from 'vitest'
import { shareLiveRequests } from '../../../src/live/server/share-live-requests.ts'
import { createNodeFetch } from '../../../src/server/proxy/node-fetch.ts'
import { listen } from './serve.ts'

/** Bytes of an answer too long to be held for all who wait for it. */
export const LONG = 200_000

/** A request that a test answers when it wants to. */
export interface Poll {
  readonly method: string
  readonly url: string
  readonly response: ServerResponse
  /** Resolves once the connection is done with it, answered or not. */
  readonly closed: Promise<unknown>
}

/** The text of an answer that is still to come. */
export const text = async (answer: Promise<Response>) => (await answer).text()

/** A server that lets every request wait. */
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
    /** Resolves with all requests there have been, once they are so many. */
    async waiting(count: number): Promise<readonly Poll[]> {
      await expect.poll(() => polls.length, { interval: 5 }).toBe(count)
      return polls
    },
  }
}

/** Such a server, and a way to ask it by which live requests are shared. */
export async function startSharedPolls() {
  const engine = await servePolls()
  onTestFinished(() => engine.close())
  const send = shareLiveRequests(createNodeFetch())
  const ask = (path: string, init?: RequestInit) => send(`${engine.url}${path}`, init)
  const crowd = (count: number, path: string) => Array.from({ length: count }, () => ask(path))
  return { ...engine, ask, crowd }
}
