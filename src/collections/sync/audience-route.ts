import { isLongPoll } from '../../live/protocol.ts'

/**
 * An audience of the principal. Undefined stands for all of them together: the shapes without the parameter
 * `audience`.
 */
export type Audience = string | undefined

/** The audiences that show a row, for collections of what is below it. */
export interface AudiencesOf {
  /** Returns the audiences that show a row now, the widest first. */
  holders(id: string): readonly Audience[]
  /**
   * Resolves to the widest audience that shows a row, as soon as one does; to undefined if none does, or the union
   * does not sync.
   */
  find(id: string): Promise<Audience>
  /** Calls `listener` after the audiences of a row have changed, and keeps the union syncing until the end. */
  watch(id: string, listener: () => void): () => void
}

/** The audience through which the collections of one session look at it. */
export interface AudienceRoute {
  /** Call when a collection starts to sync; returns the function to call when it ends. */
  enter(): () => void
  /** Resolves to the audience of the next request. */
  current(): Promise<Audience>
  /** Returns the audience chosen for the requests now; undefined also while none is chosen. */
  chosen(): Audience
  /** Wraps the fetch of a stream, so that it moves to another audience when it loses its own. */
  wrap(send: typeof fetch): typeof fetch
}

const FORBIDDEN = 403
const MOVE_OUT = /"event"\s*:\s*"move-out"/

/**
 * Creates the route of one session: the widest audience that shows its row. When the session is no longer
 * shared with that audience, and another still shows it, the collections move there. The old rows stay until
 * the new shape is complete.
 */
export function createAudienceRoute(sessionId: string, audiences: AudiencesOf): AudienceRoute {
  const lost = new Set<Audience>()
  const polls = new Set<() => void>()
  let users = 0
  let chosen: { readonly audience: Audience } | undefined
  let choosing: Promise<Audience> | undefined
  let unwatch = () => {}

  async function choose(): Promise<Audience> {
    const audience = await audiences.find(sessionId)
    if (users === 0) return audience
    chosen = { audience }
    choosing = undefined
    if (audience !== undefined) unwatch = audiences.watch(sessionId, review)
    return audience
  }

  /** The other audiences that show the session, the widest first. */
  function others(): readonly Audience[] {
    return audiences
      .holders(sessionId)
      .filter((audience) => audience !== chosen?.audience && !lost.has(audience))
  }

  function review(): void {
    const holders = audiences.holders(sessionId)
    for (const audience of lost) if (!holders.includes(audience)) lost.delete(audience)
    const [next] = others()
    if (next !== undefined && !holders.includes(chosen?.audience)) moveTo(next)
  }

  function moveTo(audience: Audience): void {
    chosen = { audience }
    for (const endPoll of [...polls]) endPoll()
  }

  /** Notes that an audience no longer shows the session. */
  function lose(audience: Audience): void {
    lost.add(audience)
    if (chosen !== undefined && chosen.audience === audience) moveTo(others()[0])
  }

  /** Sends a live poll, and ends it as if it had timed out when the route moves. */
  async function poll(
    send: typeof fetch,
    url: URL,
    init: RequestInit | undefined,
    audience: string,
  ): Promise<Response> {
    const aborter = new AbortController()
    const abort = () => aborter.abort(init?.signal?.reason)
    init?.signal?.addEventListener('abort', abort, { once: true })
    let hasMoved = false
    const endPoll = () => {
      hasMoved = true
      aborter.abort()
    }
    polls.add(endPoll)
    try {
      const response = await send(url.href, { ...init, signal: aborter.signal })
      return await withoutMoveOut(response, url, audience)
    } catch (error) {
      if (hasMoved && !init?.signal?.aborted) return unchanged(url)
      throw error
    } finally {
      polls.delete(endPoll)
      init?.signal?.removeEventListener('abort', abort)
    }
  }

  /** The next request goes to another audience, whose shape replaces these rows. */
  async function withoutMoveOut(response: Response, url: URL, audience: string): Promise<Response> {
    const { status, headers } = response
    if (status === FORBIDDEN) {
      lose(audience)
      void response.body?.cancel()
      return unchanged(url)
    }
    if (!response.ok || others().length === 0) return response
    const body = await response.text()
    if (!MOVE_OUT.test(body)) return new Response(body, { status, headers })
    lose(audience)
    return unchanged(url)
  }

  return {
    enter() {
      users += 1
      return () => {
        users -= 1
        if (users > 0) return
        unwatch()
        unwatch = () => {}
        chosen = undefined
        choosing = undefined
        lost.clear()
      }
    },
    current: async () => {
      if (chosen !== undefined) return chosen.audience
      choosing ??= choose()
      return choosing
    },
    chosen: () => chosen?.audience,
    wrap: (send) => async (input, init) => {
      const url = new URL(String(input))
      const audience = url.searchParams.get('audience')
      if (audience === null) return send(input, init)
      if (isLongPoll(url.search)) return poll(send, url, init, audience)
      const response = await send(input, init)
      if (response.status !== FORBIDDEN) return response
      void response.body?.cancel()
      lose(audience)
      const next = chosen?.audience
      if (next === undefined) url.searchParams.delete('audience')
      else url.searchParams.set('audience', next)
      return send(url.href, init)
    },
  }
}

/** Creates the response of a live poll that has timed out: the stream asks again from the same place. */
function unchanged({ searchParams }: URL): Response {
  const place = (name: string) => searchParams.get(name) ?? ''
  return new Response('[{"headers":{"control":"up-to-date"}}]', {
    headers: {
      'content-type': 'application/json',
      'electric-handle': place('handle'),
      'electric-offset': place('offset'),
      // A repeated cursor would look like a cached response.
      'electric-cursor': `${place('cursor')}0`,
      'electric-up-to-date': '',
    },
  })
}
