import { expect, test } from 'vitest'
import type { Principal } from '../../src/schema/principal.ts'
import { createShapeProxy } from '../../src/server/proxy/shape-proxy.ts'
import { resolveShape } from '../../src/shapes/resolve-shape.ts'
import { sessionShapes } from '../../src/shapes/session-shapes.ts'
import { cases, fc } from '../support/property.ts'

const CASES = cases(500, 10_000)
const SECRET = 'keep-this-to-yourself'

const word = fc.constantFrom(
  'table',
  'where',
  'columns',
  'params',
  'params[1]',
  'params%5B1%5D',
  'secret',
  'replica',
  'offset',
  'handle',
  'live',
  'cursor',
  'log',
  'subset__where',
  'sessionId',
  'threadId',
  'tenant_id',
  '__proto__',
  'constructor',
)
const nasty = fc.constantFrom('-1', 'true', '1=1) OR (1=1', '%', '%00', '%2527', '+', '&', '=', '#')
const text = fc.oneof(
  word,
  nasty,
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.webQueryParameters(),
)
const pair = fc.tuple(fc.oneof(word, text), fc.oneof(nasty, text)).map(([name, value]) => {
  return `${name}=${value}`
})
const rawQuery = fc.oneof(
  { weight: 3, arbitrary: fc.array(pair, { maxLength: 4 }).map((pairs) => pairs.join('&')) },
  { weight: 1, arbitrary: text },
)
const honestQuery = fc
  .tuple(
    fc.constantFrom('sessionId', 'threadId', 'nothing'),
    fc.string({ minLength: 1, unit: 'grapheme' }),
  )
  .map(([name, value]) => {
    const id = encodeURIComponent(value)
    return name === 'nothing' ? 'offset=-1' : `${name}=${id}&offset=-1`
  })
const id = fc.oneof(fc.constantFrom('t1', 't2', "t' OR '1'='1", '$1'), fc.uuid())
const principal: fc.Arbitrary<Principal> = fc.record({ tenantId: id, userId: id })
const path = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...Object.keys(sessionShapes)) },
  { weight: 1, arbitrary: fc.webPath() },
)

/** The request to the engine while one request was served, if any. */
async function askedFor(who: Principal, requestUrl: string) {
  const asked: URL[] = []
  const proxy = createShapeProxy({
    electricUrl: 'http://electric.test',
    secret: SECRET,
    authenticate: () => who,
    limits: false,
    fetchClient: async (input) => {
      asked.push(new URL(String(input)))
      return new Response('[]')
    },
  })
  const response = await proxy(new Request(requestUrl))
  return { asked, response, body: await response.text() }
}

test(`requests to the engine are for exactly the principal's rows, whatever the client sends (${CASES})`, async () => {
  let reached = 0
  const property = fc.asyncProperty(
    principal,
    path,
    fc.oneof(rawQuery, honestQuery),
    async (who, name, query) => {
      const requestUrl = `https://app.test/shapes/${name}?${query}`
      fc.pre(URL.canParse(requestUrl))
      const { asked, response, body } = await askedFor(who, requestUrl)
      expect(body + JSON.stringify([...response.headers])).not.toContain(SECRET)
      if (asked.length === 0) {
        expect([400, 404]).toContain(response.status)
        return
      }
      reached += 1
      expectOwnRows(asked, who)
    },
  )
  await fc.assert(property, { numRuns: CASES })
  expect(reached).toBeGreaterThan(CASES / 20)
})

function expectOwnRows([asked, ...more]: URL[], who: Principal): void {
  expect(more).toEqual([])
  const query = asked?.searchParams ?? new URLSearchParams()
  const names = [...query.keys()]
  expect(new Set(names).size, 'every parameter once').toBe(names.length)
  const given = query.get('params[2]') ?? ''
  const possible = Object.keys(sessionShapes).flatMap((name) => {
    const params = ['sessions', 'threads', 'thread-states'].includes(name)
      ? {}
      : name === 'thread-messages'
        ? { sessionId: given, threadId: query.get('params[3]') ?? '' }
        : name === 'session-deltas'
          ? { sessionId: given, epoch: query.get('params[3]') ?? '' }
          : { sessionId: given }
    const shape = resolveShape(sessionShapes, name, params, who)
    return 'reason' in shape ? [] : [shape]
  })
  const match = possible.find(
    (shape) => shape.table === query.get('table') && shape.where === query.get('where'),
  )
  expect(match, `${asked}`).toBeDefined()
  expect(query.get('columns')).toBe(match?.columns.join(','))
  expect(query.get('queryable_columns')).toBe(match?.columns.join(','))
  expect(query.get('secret')).toBe(SECRET)
  const params = names.filter((name) => name.startsWith('params')).map((name) => query.get(name))
  expect(params).toEqual(match?.params)
  expect(asked?.origin).toBe('http://electric.test')
  expect(asked?.pathname).toBe('/v1/shape')
  expect(names.filter((name) => /subset|replica/.test(name))).toEqual([])
}
