import { fc } from '../../support/property.ts'
import type { AppPrincipal } from './app-shapes.ts'
import { grantees, rules } from './truth.ts'

/** One principal's request as text, not normalised. */
export interface Attempt {
  readonly who: AppPrincipal
  readonly method: string
  readonly shape: string
  readonly query: string
  readonly body: string | undefined
  /** True when the query also contains a place in a log that some principal received. */
  readonly stolen: number | undefined
}

export const principal: fc.Arbitrary<AppPrincipal> = fc.record({
  tenantId: fc.constantFrom('t1', 't2', 't3'),
  userId: fc.constantFrom('ann', 'bob', 'eve'),
  isAdmin: fc.boolean(),
})

export const shapeName = fc.constantFrom(...Object.keys(rules))

/** Ids that exist in some tenant, and injection attempts. */
export const someId = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('s1', 's2', 's3', 's4') },
  { weight: 4, arbitrary: fc.constantFrom('th-s1', 'th-s2', 'th-s3', 'th-s4', 'f0', 'f1') },
  {
    weight: 2,
    arbitrary: fc.constantFrom("s1' OR '1'='1", '1=1) OR (1=1', '$1', '%', '*', 's1\u200b', 'ｓ1'),
  },
)

/** An audience that is the principal's or not, an injection attempt, or none. */
const audience: fc.Arbitrary<string | undefined> = fc.oneof(
  { weight: 8, arbitrary: fc.constant(undefined) },
  { weight: 4, arbitrary: fc.constant('tenant') },
  { weight: 5, arbitrary: fc.constantFrom(...grantees) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      ...['', 'TENANT', 'tenant ', '{tenant}', 'tenant,user:bob', 'user:', 'team:%', '*'],
      ...["tenant' OR '1'='1", '{"tenant","user:bob"}', '__proto__', 'x'.repeat(300)],
    ),
  },
)

const columns = ['tenant_id', 'id', 'title', 'owner_id', 'visibility', 'name', 'content', 'text']
const hidden = ['content_ref', 'content_sha256', 'previous_head_id', 'secret_note', 'xmin', 'ctid']
const column = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...columns) },
  { weight: 2, arbitrary: fc.constantFrom(...hidden) },
)

const condition = fc.oneof(
  fc.constantFrom(
    'TRUE',
    'true = true',
    '1=1) OR (1=1',
    'TRUE) OR (TRUE',
    "tenant_id = 't2'",
    'id IN (SELECT id FROM sessions)',
    'TRUE; DROP TABLE sessions',
    'TRUE -- ',
    '/**/TRUE',
    'pg_sleep(1) IS NULL',
    'NOT (NOT (TRUE))',
    `${'('.repeat(500)}TRUE${')'.repeat(500)}`,
  ),
  fc
    .tuple(
      column,
      fc.constantFrom('=', '<>', 'LIKE', 'ILIKE', '>'),
      fc.constantFrom('$1', '$2', '1'),
    )
    .map((parts) => parts.join(' ')),
  column.map((name) => `"${name}" IS NOT NULL`),
  column.map((name) => `"id" = $1 OR "${name}" = $1`),
  column.map((name) => `upper("${name}") = $1`),
)

const subset = fc.record(
  {
    where: condition,
    params: fc.oneof(
      fc.record({ 1: fc.oneof(someId, fc.constantFrom('t1', 't2', '%', '«%')) }),
      fc.constantFrom<unknown>({}, [], { 2: 'x' }, { __proto__: null }, 'x'),
    ),
    order_by: fc.oneof(
      column.map((name) => `"${name}" DESC`),
      fc.constantFrom('id', 'random()', 'id; DROP TABLE x', '(SELECT 1)'),
    ),
    limit: fc.constantFrom<unknown>(1, 2, 1000, 0, -1, '1', 1e9),
    offset: fc.constantFrom<unknown>(0, 1, -1),
    where_expr: fc.oneof(
      column.map((name) => ({
        type: 'func',
        name: 'eq',
        args: [
          { type: 'ref', column: name },
          { type: 'val', paramIndex: 1 },
        ],
      })),
      fc.constantFrom<unknown>(
        { type: 'ref', column: 'id" OR TRUE --' },
        { type: 'func', name: 'constructor', args: [] },
        null,
      ),
    ),
  },
  { requiredKeys: [] },
)

/** Subsets as TanStack DB requests them, on columns that every shape with ids has. */
const honestSubset = fc.record(
  {
    where: fc.constantFrom(
      '"id" <> $1',
      '"id" = $1 OR "tenant_id" = $1',
      'NOT ("id" ILIKE $1) AND true = true',
      '"tenant_id" IS NOT NULL AND lower("id") > $1',
    ),
    params: fc.record({ 1: fc.constantFrom('s3', 't2', '%3%', 'A') }),
    order_by: fc.constantFrom('"id"', 'id DESC NULLS LAST, "tenant_id"'),
    limit: fc.constantFrom(1, 2, 1000),
  },
  { requiredKeys: ['where', 'params', 'order_by'] },
)

const body = fc.oneof(
  { weight: 5, arbitrary: honestSubset.map((fields) => JSON.stringify(fields)) },
  { weight: 5, arbitrary: subset.map((fields) => JSON.stringify(fields)) },
  { weight: 1, arbitrary: subset.map((fields) => JSON.stringify({ subset: fields })) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('', '{', '[]', 'null', '{"__proto__":{}}', '[['.repeat(9_000)),
  },
)

const name = fc.constantFrom(
  ...['table', 'where', 'columns', 'params', 'params[1]', 'params%5B1%5D', 'secret', 'replica'],
  ...[
    'queryable_columns',
    'offset',
    'handle',
    'live',
    'live_sse',
    'cursor',
    'log',
    'expired_handle',
  ],
  ...[
    'subset__where',
    'subset__params',
    'subset__limit',
    'subset__order_by',
    'sessionId',
    'threadId',
    'audience',
  ],
  ...['folderId', 'epoch', 'tenant_id', 'tenantId', '__proto__', 'constructor', '%73essionId'],
)
const value = fc.oneof(
  fc.constantFrom(
    '-1',
    '0_0',
    '0_inf',
    'now',
    'true',
    'false',
    '1=1) OR (1=1',
    '%',
    '%00',
    '%2527',
    '+',
  ),
  fc.constantFrom(
    'full',
    'changes_only',
    'sessions',
    'users',
    't2',
    '{"1":"t2"}',
    'content_ref',
    '99_9',
  ),
  someId.map(encodeURIComponent),
  fc.string({ unit: 'binary' }),
  fc.webQueryParameters(),
)
export const noise = fc
  .array(
    fc.tuple(name, value).map(([key, text]) => `${key}=${text}`),
    { maxLength: 3 },
  )
  .map((parts) => parts.join('&'))

/** The shape's parameters: its own, others that it needs, and the audience. */
export const parameter = (shape: string, id: string, audience?: string) => {
  const { param = null, also } = rules[shape] ?? {}
  return joined(
    param === null ? '' : `${param}=${encodeURIComponent(id)}`,
    also?.(id) ?? '',
    audience === undefined ? '' : `audience=${encodeURIComponent(audience)}`,
  )
}

/** A shape with an id that mostly has rows in some tenant, and an audience. */
export const place = shapeName.chain((shape) =>
  fc.record({ shape: fc.constant(shape), id: idFor(shape), audience }),
)

function idFor(shape: string): fc.Arbitrary<string> {
  const own = parameter(shape, '')
  const [of, count] = own.startsWith('threadId')
    ? (['th-s', 4] as const)
    : own.startsWith('folderId')
      ? (['f', 1] as const)
      : (['s', 4] as const)
  const fits = fc.integer({ min: of === 'f' ? 0 : 1, max: count }).map((n) => `${of}${n}`)
  return fc.oneof({ weight: 6, arbitrary: fits }, { weight: 1, arbitrary: someId })
}

/** Any request, honest ones included, which must be served completely. */
export const attempt: fc.Arbitrary<Attempt> = fc
  .record({
    who: principal,
    place: fc.oneof(
      { weight: 15, arbitrary: place },
      {
        weight: 2,
        arbitrary: fc.record({
          shape: fc.oneof(
            fc.constant('_audiences'),
            fc.constantFrom('__proto__', 'constructor', 'chat_messages', 'v1', 'Sessions'),
          ),
          id: someId,
          audience,
        }),
      },
    ),
    kind: fc.oneof(
      { weight: 4, arbitrary: fc.constant('honest' as const) },
      { weight: 4, arbitrary: fc.constant('noise' as const) },
      { weight: 3, arbitrary: fc.constant('subset' as const) },
      { weight: 2, arbitrary: fc.constant('stolen' as const) },
      { weight: 1, arbitrary: fc.constant('raw' as const) },
    ),
    noise,
    body,
    stolen: fc.nat(),
    method: fc.constantFrom('GET', 'GET', 'GET', 'HEAD', 'POST', 'DELETE', 'PUT'),
  })
  .map(({ who, place: { shape, id, audience }, kind, noise, body, stolen, method }) => {
    const own = parameter(shape, id, audience)
    const base = { who, shape, method: 'GET', body: undefined, stolen: undefined }
    switch (kind) {
      case 'honest':
        return { ...base, query: joined(own, 'offset=-1') }
      case 'stolen':
        return { ...base, query: own, stolen }
      case 'subset':
        return { ...base, method: 'POST', query: joined(own, 'offset=-1'), body }
      case 'noise':
        return { ...base, method, query: joined(own, noise, 'offset=-1'), body }
      default:
        return { ...base, method, query: noise, body }
    }
  })

function joined(...parts: string[]): string {
  return parts.filter((part) => part !== '').join('&')
}
