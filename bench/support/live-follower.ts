import { createLiveFetch } from '../../src/live/client/live-fetch.ts'

/** A page's live polls, and the connections they take. */
export interface LiveFollower {
  /** Resolves when the first shape has its next answer with rows. */
  nextRows(): Promise<void>
  /** Number of open live connections. */
  connections(): number
  stop(): void
}

/**
 * Follows shapes as a page does: reads each until it is up to date and then polls, through the
 * library's fetch client.
 *
 * @param shapes names with their parameters, such as `thread-messages?sessionId=s1&threadId=t1`
 */
export async function followShapes(
  shapesUrl: string,
  shapes: readonly string[],
  share: boolean,
): Promise<LiveFollower> {
  const aborter = new AbortController()
  let open = 0
  let seen = () => {}
  const live = createLiveFetch({
    electricUrl: shapesUrl,
    share,
    headers: async () => ({}),
    onSignedOut: () => {},
    tabTools: null,
    fetchClient: (input, init) =>
      isLive(String(input)) ? counted(input, init) : fetch(input, init),
  })

  async function counted(...request: Parameters<typeof fetch>): Promise<Response> {
    open += 1
    const over = new AbortController()
    over.signal.addEventListener('abort', () => {
      open -= 1
    })
    const done = () => over.abort()
    request[1]?.signal?.addEventListener('abort', done)
    const response = await fetch(...request)
    const whenDone = new TransformStream<Uint8Array, Uint8Array>({ flush: done })
    return new Response(response.body?.pipeThrough(whenDone), response)
  }

  async function ask(shape: string, query: Record<string, string>): Promise<Response> {
    const [name = '', params] = shape.split('?')
    const all = new URLSearchParams({
      ...Object.fromEntries(new URLSearchParams(params)),
      ...query,
    })
    const { signal } = aborter
    return await live.fetch(`${shapesUrl}/${name}?${all}`, { signal })
  }

  async function follow(shape: string, onRows: () => void): Promise<void> {
    let place = { handle: '', offset: '-1', cursor: '' }
    const read = async (isLive: boolean) => {
      const { handle, offset, cursor } = place
      const query = offset === '-1' ? { offset } : { handle, offset, cursor }
      const response = await ask(shape, isLive ? { ...query, live: 'true' } : query)
      if (!response.ok) throw new Error(`${shape} was answered with ${response.status}`)
      const rows = (await response.json()) as { value?: unknown }[]
      const header = (name: string) => response.headers.get(`electric-${name}`) ?? ''
      place = { handle: header('handle'), offset: header('offset'), cursor: header('cursor') }
      if (isLive && rows.some(({ value }) => value !== undefined)) onRows()
      return response.headers.has('electric-up-to-date')
    }
    while (!(await read(false))) {}
    void (async () => {
      while (!aborter.signal.aborted) await read(true)
    })().catch((error: unknown) => {
      if (!aborter.signal.aborted) throw error
    })
  }

  for (const [index, shape] of shapes.entries()) await follow(shape, () => index === 0 && seen())
  return {
    nextRows: () =>
      new Promise<void>((resolve) => {
        seen = resolve
      }),
    connections: () => open,
    stop() {
      aborter.abort()
      live.reset()
    },
  }
}

function isLive(url: string): boolean {
  return url.endsWith('/_live') || url.includes('live=true')
}
