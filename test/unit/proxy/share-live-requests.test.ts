import { describe, expect, test } from 'vitest'
import { LONG, startSharedPolls, text } from './shared-polls.ts'

describe('concurrent live requests for one place', () => {
  test('are sent once, and each gets the complete response', async () => {
    const { crowd, waiting, polls } = await startSharedPolls()
    const asked = crowd(50, '/?live=true&offset=1_0')
    const [poll] = await waiting(1)
    poll?.response.writeHead(200, { 'electric-offset': '2_0' })
    poll?.response.write('[first,')
    poll?.response.end('second]')
    for (const answer of await Promise.all(asked)) {
      expect([answer.status, answer.headers.get('electric-offset')]).toEqual([200, '2_0'])
      expect(await answer.text()).toBe('[first,second]')
    }
    expect(polls).toHaveLength(1)
  })

  test.each([204, 409])('share a response of %i too', async (status) => {
    const { crowd, waiting } = await startSharedPolls()
    const asked = crowd(3, '/?live=true')
    const [poll] = await waiting(1)
    poll?.response.writeHead(status).end(status === 204 ? undefined : '[]')
    for (const answer of await Promise.all(asked)) {
      expect(answer.status).toBe(status)
      expect(await answer.text()).toBe(status === 204 ? '' : '[]')
    }
  })

  test('continue when one leaves, even the first', async () => {
    const { ask, waiting, polls } = await startSharedPolls()
    const leaving = new AbortController()
    const first = ask('/?live=true', { signal: leaving.signal })
    await waiting(1)
    const second = ask('/?live=true')
    leaving.abort()
    await expect(first).rejects.toThrow(/abort/i)
    polls[0]?.response.end('answer')
    expect(await text(second)).toBe('answer')
    expect(polls).toHaveLength(1)
  })

  test('are aborted when the last one leaves; the next one is sent again', async () => {
    const { ask, waiting, polls } = await startSharedPolls()
    const leaving = new AbortController()
    const asked = [1, 2, 3].map(() => ask('/?live=true', { signal: leaving.signal }))
    await waiting(1)
    leaving.abort()
    await Promise.all(asked.map((answer) => expect(answer).rejects.toThrow(/abort/i)))
    const next = ask('/?live=true')
    await waiting(2)
    await polls[0]?.closed
    polls[1]?.response.end('answer')
    expect(await text(next)).toBe('answer')
  })

  test('are not sent for a request that was already aborted', async () => {
    const { ask, polls } = await startSharedPolls()
    await expect(ask('/?live=true', { signal: AbortSignal.abort() })).rejects.toThrow(/abort/i)
    expect(polls).toHaveLength(0)
  })

  test('stream a long response to one, and send the others separately', async () => {
    const { crowd, waiting, polls } = await startSharedPolls()
    const asked = crowd(3, '/?live=true')
    await waiting(1)
    polls[0]?.response.write('x'.repeat(LONG))
    const first = await Promise.race(asked)
    const reader = first.body?.getReader()
    expect((await reader?.read())?.value?.byteLength).toBeGreaterThan(0)
    await waiting(3)
    expect(polls[0]?.response.writableEnded).toBe(false)
    for (const { response } of polls) response.end('y'.repeat(LONG))
    let bytes = 0
    const others = await Promise.all(asked)
    for (const answer of others) {
      if (answer !== first) bytes += (await answer.text()).length
    }
    expect(bytes).toBe(2 * LONG)
  })

  test('lose nothing of a long response between its buffered start and the rest', async () => {
    const { crowd, waiting, polls } = await startSharedPolls()
    const asked = crowd(2, '/?live=true')
    await waiting(1)
    const body = Array.from({ length: LONG }, (_, n) => String.fromCharCode(97 + (n % 26))).join('')
    polls[0]?.response.end(body)
    await waiting(2)
    polls[1]?.response.end(body)
    for (const answer of await Promise.all(asked)) expect(await answer.text()).toBe(body)
  })

  test('are aborted when the request with the streaming response leaves', async () => {
    const { ask, waiting, polls } = await startSharedPolls()
    const leaving = new AbortController()
    const first = ask('/?live=true', { signal: leaving.signal })
    const second = ask('/?live=true')
    await waiting(1)
    polls[0]?.response.write('x'.repeat(LONG))
    const answer = await first
    await waiting(2)
    leaving.abort()
    await expect(answer.text()).rejects.toThrow()
    await polls[0]?.closed
    polls[1]?.response.end('answer')
    expect(await text(second)).toBe('answer')
  })

  test('all fail when the request fails, before or during the response; the next one is sent again', async () => {
    const { crowd, waiting, polls } = await startSharedPolls()
    const before = crowd(3, '/?live=true')
    await waiting(1)
    polls[0]?.response.destroy()
    for (const answer of before) await expect(answer).rejects.toMatchObject({ code: /./ })
    const within = crowd(3, '/?live=true')
    await waiting(2)
    polls[1]?.response.write('half', () => polls[1]?.response.destroy())
    for (const answer of within) await expect(answer).rejects.toThrow()
    const next = crowd(2, '/?live=true')
    await waiting(3)
    polls[2]?.response.end('answer')
    expect(await Promise.all(next.map(text))).toEqual(['answer', 'answer'])
  })

  test('are sent again once the response has started', async () => {
    const { ask, waiting, polls } = await startSharedPolls()
    const first = ask('/?live=true')
    await waiting(1)
    polls[0]?.response.write('begun')
    const answer = await first
    const second = ask('/?live=true')
    await waiting(2)
    polls[1]?.response.end('new')
    polls[0]?.response.end()
    expect([await answer.text(), await text(second)]).toEqual(['begun', 'new'])
  })
})

test('live requests for different places are sent separately', async () => {
  const { ask, waiting } = await startSharedPolls()
  const asked = ['a', 'b', 'a'].map((place) => ask(`/?live=true&offset=${place}`))
  for (const { response, url } of await waiting(2)) response.end(url)
  const [a, b] = ['/?live=true&offset=a', '/?live=true&offset=b']
  expect(await Promise.all(asked.map(text))).toEqual([a, b, a])
})

test.each<[string, string, RequestInit]>([
  ['that do not wait', '/?offset=1_0', {}],
  ['that only look like live ones', '/?where=live=true%26', {}],
  ['for streams of events', '/?live=true&live_sse=true', {}],
  ['for streams of events by their old name', '/?experimental_live_sse=true&live=true', {}],
  ['with an ETag', '/?live=true', { headers: { 'if-none-match': '"tag"' } }],
  ['for headers only', '/?live=true', { method: 'HEAD' }],
  ['with a body', '/?live=true', { method: 'POST', body: '{}' }],
])('requests %s are not shared', async (_, path, init) => {
  const { ask, waiting } = await startSharedPolls()
  const asked = [ask('/?live=true'), ask(path, init), ask(path, init)]
  for (const { response, url, method } of await waiting(3)) response.end(`${method} ${url}`)
  const { method = 'GET' } = init
  const own = method === 'HEAD' ? '' : `${method} ${path}`
  expect(await Promise.all(asked.map(text))).toEqual(['GET /?live=true', own, own])
})
