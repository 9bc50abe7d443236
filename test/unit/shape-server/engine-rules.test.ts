import { beforeAll, describe, expect, test } from 'vitest'
import { checkExpression } from '../../../src/dev/shape-server/where/check.ts'
import { toSql } from '../../../src/dev/shape-server/where/expression.ts'
import { loadPgParser, parseWhere } from '../../../src/dev/shape-server/where/parse.ts'
import {
  castsExplicitly,
  castsImplicitly,
  functionSignatures,
  operatorSignatures,
} from '../../../src/dev/shape-server/where/tables.ts'

// What the engine's own tests accept and refuse (1.7.12), where that differs from Postgres.

const columns = new Map(
  Object.entries({
    i: 'int4',
    b: 'int8',
    ok: 'bool',
    t: 'text',
    born: 'date',
    at: 'timestamp',
    seen: 'timestamptz',
    mood: 'enum mood',
    ints: 'int4[]',
    data: 'jsonb',
  }),
)

function check(where: string): string {
  const expression = checkExpression(parseWhere(where).root, { columns, params: [] })
  return toSql(expression, { membership: () => 'false' })
}

beforeAll(() => loadPgParser())

describe('where clauses that Postgres accepts and the engine refuses', () => {
  const noOverload = 'Could not select an operator overload'
  test.each([
    ['seen > at', noOverload],
    ['seen > born', noOverload],
    ['mood < mood', noOverload],
    ['mood >= mood', noOverload],
    ["ints @> '{1}'::int8[]", noOverload],
    ["ints = '{1}'::int8[]", noOverload],
    ["data ->> 'a' = 'b'", 'unknown binary operator "->>"'],
    ['at > now()', 'unknown or unsupported function now/0'],
    ['1.5::int4 = i', 'unknown cast from type numeric to type int4'],
    ['(-1)::bool', 'could not cast value -1 from int4 to bool'],
    [
      'i::text::uuid IS NULL AND ok::text::jsonb IS NULL',
      'unknown cast from type text to type jsonb',
    ],
  ])('%s: %s', (where, message) => {
    expect(() => check(where)).toThrow(message)
  })
})

describe('where clauses that the engine accepts', () => {
  test.each([
    [
      "concat(t, i, 'x') = 'a1x'",
      `(pg_catalog.concat("t", "i", 'x'::pg_catalog.text) = 'a1x'::pg_catalog.text)`,
    ],
    ["like(t, 'a%')", `("t" ~~ 'a%'::pg_catalog.text)`],
    ["ilike(t, 'a%')", `("t" ~~* 'a%'::pg_catalog.text)`],
    [
      "timestamptz('2024-01-01T00:00:00Z') IS NOT NULL",
      `(('2024-01-01T00:00:00Z'::pg_catalog.text)::pg_catalog.timestamptz IS NOT NULL)`,
    ],
    ['~ i = -2', `((~ "i") = '-2'::pg_catalog.int4)`],
    ['true::int = i', `('1'::pg_catalog.int4 = "i")`],
    ['i::bool', `("i")::pg_catalog.bool`],
    ['mood = mood', '("mood" = "mood")'],
    ['ints || 1::int8 IS NOT NULL', `(("ints" || '1'::pg_catalog.int8) IS NOT NULL)`],
    ['at > born', '("at" > "born")'],
    ["ints = '{1}'::int4[]", `("ints" = '{1}'::pg_catalog.int4[])`],
  ])('%s', (where, sql) => {
    expect(check(where)).toBe(sql)
  })
})

// The tables of the engine's source, as far as they are easily got wrong.

test('has the engine’s operators', () => {
  const operands = (name: string, arity = 2) =>
    (operatorSignatures(name, arity) ?? []).map(({ args }) => args.join(' '))
  const numbers = ['int2', 'int4', 'int8', 'float4', 'float8', 'numeric']
  const comparable = [...numbers, 'text', 'uuid', 'date', 'time', 'timestamp', 'timestamptz']
  const pairs = (types: string[]) => types.map((type) => `${type} ${type}`)
  for (const name of ['<', '>', '<=', '>=']) expect(operands(name)).toEqual(pairs(comparable))
  for (const name of ['=', '<>']) {
    expect(operands(name)).toEqual(
      pairs([...comparable, 'bool', 'interval', 'anyenum', 'anyarray']),
    )
  }
  for (const name of ['@>', '<@', '&&']) expect(operands(name)).toEqual(['anyarray anyarray'])
  expect(operands('~', 1)).toEqual(['int2', 'int4', 'int8'])
  expect(operands('/')).toEqual(pairs(['int2', 'int4', 'int8', 'float8']))
  expect(operands('->')).toEqual([])
})

test('has the engine’s functions', () => {
  const types = [
    ...['int2', 'int4', 'int8', 'float4', 'float8', 'numeric', 'bool', 'uuid', 'text'],
    ...['date', 'time', 'timestamp', 'timestamptz', 'interval'],
  ]
  for (const type of types) expect(functionSignatures(type, 1), type).toHaveLength(1)
  const pairs = ['like', 'ilike', 'array_cat', 'array_prepend', 'array_append']
  for (const name of pairs) expect(functionSignatures(name, 2), name).toHaveLength(1)
  const singles = ['lower', 'upper', 'array_ndims', 'justify_days', 'justify_hours']
  for (const name of singles) expect(functionSignatures(name, 1), name).toHaveLength(1)
  expect(functionSignatures('timezone', 2)).toHaveLength(2)
  for (const arity of [1, 2, 5]) expect(functionSignatures('concat', arity)).toHaveLength(1)
  for (const name of ['now', 'length', 'concat'])
    expect(functionSignatures(name, 0)).toBeUndefined()
})

test('has the engine’s casts', () => {
  const implicit: Record<string, string> = {
    bpchar: 'text,name,varchar',
    date: 'timestamp',
    float4: 'float8',
    int2: 'float8,int8,int4,numeric,float4',
    int4: 'float4,float8,numeric,int8',
    int8: 'float8,float4,numeric',
    name: 'text',
    numeric: 'float8,float4',
    text: 'bpchar,varchar,name',
    time: 'interval',
    varchar: 'name,text,bpchar',
  }
  const types = [
    ...Object.keys(implicit),
    'bool',
    'float8',
    'timestamp',
    'timestamptz',
    'interval',
    'uuid',
  ]
  for (const from of types) {
    const targets = types.filter((to) => to !== from && castsImplicitly(from, to))
    expect(targets.sort(), from).toEqual((implicit[from] ?? '').split(',').filter(Boolean).sort())
  }
  expect(castsExplicitly('bool', 'int4') && castsExplicitly('int4', 'bool')).toBe(true)
  expect(castsExplicitly('int8', 'int4') || castsExplicitly('numeric', 'int4')).toBe(false)
})
