import { describe, expect, test } from 'vitest'
import { createShapeProxy } from '../../../src/server/proxy/shape-proxy.ts'

/** Sends a request to a proxy with subsets; `sent` is its request to the engine. */
async function ask(init: RequestInit, query = '', subsets = true) {
  const sent: { url: URL; method: string | undefined; body: unknown }[] = []
  const proxy = createShapeProxy({
    electricUrl: 'http://electric.test',
    authenticate: () => ({ tenantId: 't1', userId: 'ann' }),
    subsets,
    fetchClient: async (input, { method, body } = {}) => {
      const text = typeof body === 'string' ? JSON.parse(body) : undefined
      sent.push({ url: new URL(String(input)), method, body: text })
      return new Response('{"metadata":{},"data":[]}')
    },
  })
  const response = await proxy(new Request(`http://app.test/sessions?offset=-1${query}`, init))
  return { response, sent, text: await response.text() }
}

const post = (body: unknown) => ({ method: 'POST', body: JSON.stringify(body) })

describe('subsets', () => {
  test('are refused unless enabled', async () => {
    const posted = await ask(post({ where: 'TRUE' }), '', false)
    expect(posted.response.status).toBe(405)
    expect(posted.response.headers.get('allow')).toBe('GET, HEAD, OPTIONS')
    const got = await ask({}, '&subset__where=TRUE', false)
    expect([got.response.status, got.sent]).toEqual([400, []])
  })

  test.each([
    ['"title" ILIKE $1', '("title" ILIKE $1)'],
    [
      'title = $1 OR NOT ("id" = $1) AND id IS NOT NULL',
      '(("title" = $1) OR ((NOT ("id" = $1)) AND (NOT ("id" IS NULL))))',
    ],
    ['"id" = ANY($1)', '("id" = ANY($1))'],
    ['true = true', '(TRUE = TRUE)'],
    ['lower("title") = coalesce($1, "id")', '(lower("title") = coalesce($1, "id"))'],
  ])('the condition %s is parsed and printed', async (where, printed) => {
    const { response, sent } = await ask(
      post({ where, params: { 1: 'x' }, order_by: 'id DESC', limit: 5 }),
    )
    expect(response.status).toBe(200)
    expect(sent).toMatchObject([{ method: 'POST', body: { where: printed, params: { 1: 'x' } } }])
    expect(sent[0]?.body).toMatchObject({ order_by: '"id" DESC', limit: 5 })
    expect(sent[0]?.url.searchParams.get('where')).toContain('"tenant_id" = $1')
  })

  test('the structured form takes precedence, by GET too', async () => {
    const expression = {
      type: 'func',
      name: 'eq',
      args: [
        { type: 'ref', column: 'id' },
        { type: 'val', paramIndex: 1 },
      ],
    }
    const query = `&subset__where_expr=${encodeURIComponent(JSON.stringify(expression))}&subset__params={"1":"x"}`
    const { sent } = await ask({}, query)
    expect(sent).toMatchObject([{ method: 'POST', body: { where: '("id" = $1)' } }])
  })

  test.each([
    { where: '1=1) OR (1=1' },
    { where: 'TRUE) OR (TRUE' },
    { where: 'id IN (SELECT id FROM sessions)' },
    { where: 'TRUE; SELECT 1' },
    { where: 'TRUE -- x' },
    { where: "title = 'x'" },
    { where: 'pg_sleep($1) IS NULL', params: { 1: '1' } },
    { where: 'content_ref IS NOT NULL' },
    { where: '"nothing" IS NOT NULL' },
    { where: 'id = $2', params: { 1: 'x' } },
    { where: `${'('.repeat(1000)}TRUE${')'.repeat(1000)}` },
    { where: 'TRUE', order_by: 'random()' },
    { where: 'TRUE', order_by: 'content_ref' },
    { where: 'TRUE', limit: 1 },
    { where: 'TRUE', order_by: 'id', limit: 1e9 },
    { where: 'TRUE', params: { 2: 'x' } },
    { where: 'TRUE', params: { 1: 'a\u0000b' } },
    { where_expr: { type: 'func', name: 'constructor', args: [] } },
    { where_expr: { type: 'ref', column: 'id" OR TRUE --' } },
    { table: 'users' },
    { subset: { where: 'TRUE' }, table: 'users' },
    [],
    {},
  ])('%j is refused without a request to the engine', async (body) => {
    const { response, sent, text } = await ask(post(body))
    expect(response.status, text).toBe(400)
    expect(sent).toEqual([])
  })

  test('an unsynced column gets the same response as one that doesn’t exist', async () => {
    const hidden = await ask(post({ where: 'content_ref IS NULL' }))
    const absent = await ask(post({ where: 'nothing_here IS NULL' }))
    expect(hidden.text).toBe(absent.text)
  })

  test('returns 413 for a body that is too large', async () => {
    const { response, sent } = await ask(post({ where: 'x'.repeat(70_000) }))
    expect([response.status, sent]).toEqual([413, []])
  })
})
