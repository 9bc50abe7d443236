import { setImmediate } from 'node:timers/promises'
import type { HttpAnswer, HttpClient } from './http-get.ts'

/** Parameters of a shape request. */
export type ShapeQuery = Readonly<Record<string, string>>

/** The position in a shape's log up to which a client has read. */
export interface ShapePosition {
  readonly handle: string
  readonly offset: string
  readonly cursor: string
}

/** A shape response: its bytes and the position after it. */
export interface ShapeAnswer {
  readonly body: Buffer
  readonly position: ShapePosition
  readonly upToDate: boolean
  /** The shape was rotated, so the client must start over. */
  readonly mustRefetch: boolean
}

/**
 * Requests the log after a position, or from the beginning.
 *
 * @throws when the status is neither 200 nor 409
 */
export async function readShape(
  http: HttpClient,
  serverUrl: string,
  query: ShapeQuery,
  position?: ShapePosition,
  live = false,
): Promise<ShapeAnswer> {
  const answer = await http.get(shapeUrl(serverUrl, query, position, live))
  if (answer.status !== 200 && answer.status !== 409) throw refusal(answer)
  return {
    body: answer.body,
    position: {
      handle: header(answer, 'electric-handle'),
      offset: header(answer, 'electric-offset'),
      cursor: header(answer, 'electric-cursor'),
    },
    upToDate: answer.headers['electric-up-to-date'] !== undefined,
    mustRefetch: answer.status === 409,
  }
}

/**
 * Reads a shape from its beginning until it is up to date. As Electric's client does, it requests the
 * next page before it parses one.
 *
 * @param onBody called with each page's bytes
 * @returns the position to continue from
 */
export async function readWholeShape(
  http: HttpClient,
  serverUrl: string,
  query: ShapeQuery,
  onBody: (body: Buffer) => void = () => {},
): Promise<ShapePosition> {
  let asked = readShape(http, serverUrl, query)
  for (;;) {
    const { mustRefetch, upToDate, body, position } = await asked
    if (!upToDate) {
      asked = readShape(http, serverUrl, query, mustRefetch ? undefined : position)
      // The request is sent only in the next turn.
      await setImmediate()
    }
    if (!mustRefetch) onBody(body)
    if (upToDate) return position
  }
}

/** Deletes a shape on the server, so that the next request is cold. */
export async function deleteShape(
  http: HttpClient,
  serverUrl: string,
  query: ShapeQuery,
): Promise<void> {
  const answer = await http.delete(shapeUrl(serverUrl, query))
  if (answer.status !== 202 && answer.status !== 404) throw refusal(answer)
}

function shapeUrl(
  serverUrl: string,
  query: ShapeQuery,
  position?: ShapePosition,
  live = false,
): string {
  const params = new URLSearchParams({ ...query, offset: position?.offset ?? '-1' })
  if (position) {
    params.set('handle', position.handle)
    if (position.cursor !== '') params.set('cursor', position.cursor)
  }
  if (live) params.set('live', 'true')
  return `${shapeEndpoint(serverUrl)}?${params}`
}

/** URL of a shape; behind a proxy each shape has its own. */
export function shapeEndpoint(serverUrl: string): string {
  return serverUrl.includes('/shapes/') ? serverUrl : `${serverUrl}/v1/shape`
}

function header({ headers }: HttpAnswer, name: string): string {
  return String(headers[name] ?? '')
}

function refusal({ status, body }: HttpAnswer): Error {
  return new Error(`the shape server answered ${status}: ${body.toString('utf8').slice(0, 500)}`)
}
