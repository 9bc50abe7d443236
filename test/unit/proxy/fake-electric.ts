import type { IncomingMessage, ServerResponse } from 'node:http'
import { listen, type Served } from './serve.ts'

export type SeenRequest = {
  method: string
  path: string
  query: URLSearchParams
  headers: IncomingMessage['headers']
}

export type FakeElectric = Served & {
  /** All requests so far. */
  seen: SeenRequest[]
  /** Handles the next requests. */
  answerWith(
    answer: (request: SeenRequest, response: ServerResponse, incoming: IncomingMessage) => void,
  ): void
}

/** Responds as the engine does to a first request. */
export function answerSnapshot(_request: SeenRequest, response: ServerResponse): void {
  response.writeHead(200, {
    'content-type': 'application/json; charset=utf-8',
    'cache-control': 'public, max-age=604800, s-maxage=3600, stale-while-revalidate=2629746',
    etag: '"100-1:-1:0_0"',
    'electric-handle': '100-1',
    'electric-offset': '0_0',
    'electric-schema': '{"id":{"type":"text"}}',
    'electric-has-data': 'true',
    'electric-server': 'ElectricSQL/1.7.12',
    vary: 'accept-encoding',
    'access-control-allow-origin': '*',
    'set-cookie': 'engine=1',
  })
  response.end('[{"headers":{"control":"snapshot-end"}}]')
}

/** Starts an HTTP server in Electric's place that records its requests. */
export async function startFakeElectric(): Promise<FakeElectric> {
  const seen: SeenRequest[] = []
  let answer: Parameters<FakeElectric['answerWith']>[0] = answerSnapshot
  const served = await listen((incoming, response) => {
    const url = new URL(incoming.url ?? '/', 'http://electric.test')
    const request = {
      method: incoming.method ?? '',
      path: url.pathname,
      query: url.searchParams,
      headers: incoming.headers,
    }
    seen.push(request)
    answer(request, response, incoming)
  })
  const answerWith: FakeElectric['answerWith'] = (next) => {
    answer = next
  }
  return { ...served, seen, answerWith }
}
