import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { checkShapes } from '../../../src/ops/doctor/shape-checks.ts'
import { column, type Principal } from '../../../src/schema/index.ts'
import {
  type Condition,
  createAccess,
  createSessionShapes,
  defineShape,
  sessionShapes,
  where,
} from '../../../src/shapes/index.ts'

interface AppPrincipal extends Principal {
  readonly roles: readonly string[]
}

const columns = { id: column('id', 'text'), sessionId: column('session_id', 'text') }

/** Returns the checks that a shape with this condition fails. */
function problems(rows: (principal: AppPrincipal, sessionId: string) => Condition): string[] {
  const notes = defineShape({
    table: 'notes',
    columns,
    params: { sessionId: z.string() },
    rows: (principal: AppPrincipal, { sessionId }) => rows(principal, sessionId),
  })
  return checkShapes({ notes })
    .filter(({ level }) => level !== 'ok')
    .map(({ check }) => check)
}

const members = (condition: Condition) => ({
  table: 'members',
  select: 'session_id',
  where: condition,
})

describe('the doctor warns about a shape', () => {
  test('whose subquery is not confined to the session of its rows', () => {
    const ofTeam = where.eq('team_id', 'x')
    expect(
      problems((_, id) =>
        where.and(where.eq('session_id', id), where.inArray('session_id', members(ofTeam))),
      ),
    ).toEqual(['shape-subquery'])
    expect(
      problems((_, id) =>
        where.and(
          where.eq('session_id', id),
          where.inArray('session_id', members(where.and(where.eq('session_id', id), ofTeam))),
        ),
      ),
    ).toEqual([])
  })

  test('whose subquery is not confined within another one or an alternative', () => {
    const inner = (id: string) =>
      where.and(where.eq('session_id', id), where.inArray('session_id', members(where.and())))
    expect(
      problems((_, id) =>
        where.and(where.eq('session_id', id), where.inArray('session_id', members(inner(id)))),
      ),
    ).toEqual(['shape-subquery'])
    expect(
      problems((_, id) =>
        where.and(
          where.eq('session_id', id),
          where.or(where.isNull('folder_id'), where.inArray('session_id', members(where.and()))),
        ),
      ),
    ).toEqual(['shape-subquery'])
  })

  test('that selects shared rows by the user', () => {
    const mine = ({ userId }: Principal) => where.eq('user_id', userId)
    expect(problems((me) => where.inArray('session_id', members(mine(me))))).toEqual([
      'shape-audience',
    ])
    expect(problems((me) => where.or(mine(me), where.eq('is_public', true)))).toEqual([
      'shape-audience',
    ])
    expect(problems((me) => mine(me))).toEqual([])
  })

  test('that it cannot evaluate, unless it gets the principal', () => {
    const rows = ({ roles }: AppPrincipal) => where.inArray('role', [...roles])
    expect(problems(rows)).toEqual(['shapes'])
    const notes = defineShape({ table: 'notes', columns, rows })
    expect(checkShapes({ notes }, { roles: ['admin'] })).toMatchObject([{ level: 'ok' }])
  })
})

test("the doctor has no warning about the library's shapes", () => {
  expect(checkShapes(sessionShapes)).toMatchObject([{ check: 'shapes', level: 'ok' }])
  const access = createAccess({
    see: (_, audience) => where.inArray('id', members(where.eq('audience', audience))),
  })
  expect(checkShapes(createSessionShapes(access))).toMatchObject([{ level: 'ok' }])
})
