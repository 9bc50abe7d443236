import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { shareLiveRequests } from '../../src/live/server/share-live-requests.ts'
import { sessionColumns } from '../../src/schema/index.ts'
import { defineShape } from '../../src/shapes/index.ts'
import { cases } from '../support/property.ts'
import { appShapes } from './support/app-shapes.ts'
import { collectPlaces, huntBatches, newsEverywhere, type Places } from './support/batch-hunt.ts'
import { createWorld, principalOf, type World } from './support/world.ts'

/** A batch has about four polls, and a case about two batches. */
const CASES = cases(50, 1_000)
/** The rarest leak shows once in about 100 cases. */
const ENOUGH_FOR_A_LEAK = 3_000
const PATIENCE_MS = 1_800_000

let world: World
const proxies = new Map<string, { serve: ReturnType<World['proxy']>; places: Places }>()

/** Proxies whose shapes have one leak each. */
const leakyShapes = {
  'a shape that forgets who owns a session': () =>
    world.proxy({
      shapes: {
        ...appShapes,
        sessions: defineShape({ table: 'sessions', columns: sessionColumns }),
      },
    }),
  'a child that does not look at its session': () =>
    world.proxy({
      shapes: {
        ...appShapes,
        'session-threads': defineShape({
          ...appShapes['session-threads'],
          key: ['id'],
          params: appShapes['session-threads'].params.shape,
          rows: () => ({ kind: 'and', conditions: [] }),
        }),
      },
    }),
}

/** Proxies of the right shapes with one leak each. */
const leakyProxies = {
  'a sign-in that mixes up who asks at a time': () => {
    let last: ReturnType<typeof principalOf> = null
    return world.proxy({
      authenticate: async (request) => {
        last = principalOf(request)
        await new Promise((resolve) => setImmediate(resolve))
        return last
      },
    })
  },
  'live requests that are one, whatever they are given': () => {
    const asked = new Map<string, string>()
    const send = shareLiveRequests((place, init) => fetch(asked.get(String(place)) ?? '', init))
    return world.proxy({
      fetchClient: (input, init) => {
        const place = String(input).replace(/(?<=[?&])(?:params%5B\d+%5D|handle|offset)=[^&]*/g, '')
        asked.set(place, String(input))
        return send(place, init)
      },
    })
  },
  'live requests of one audience that are one in all tenants': () => {
    const asked = new Map<string, string>()
    const send = shareLiveRequests((place, init) => fetch(asked.get(String(place)) ?? '', init))
    return world.proxy({
      fetchClient: (input, init) => {
        const place = new URL(String(input))
        const isOfOneAudience = place.searchParams.get('where')?.split('"audiences"').length === 2
        if (!isOfOneAudience) return fetch(input, init)
        for (const [name, value] of [...place.searchParams]) {
          if (/^t\d$/.test(value) || /^(?:handle|offset)$/.test(name))
            place.searchParams.delete(name)
        }
        asked.set(place.href, String(input))
        return send(place, init)
      },
    })
  },
}

beforeAll(async () => {
  world = await createWorld({ longPollMs: 20 })
  for (const [name, create] of Object.entries({ honest: () => world.proxy(), ...leakyShapes })) {
    const serve = create()
    proxies.set(name, { serve, places: await collectPlaces(serve) })
  }
  const { serve, places } = proxyOf('honest')
  for (const [name, create] of Object.entries(leakyProxies)) {
    proxies.set(name, { serve: create(), places })
  }
  await writeEverything(world)
  await newsEverywhere(world, serve, places)
})

afterAll(() => world?.close())

/**
 * Updates every row, adds some and shares a session, so that every earlier place has news. Each row is
 * written once, because a log also contains intermediate values.
 */
async function writeEverything({ pool }: World): Promise<void> {
  const mark = (...parts: string[]) => `'«' || ${parts.join(` || '/' || `)} || '/anew»'`
  await pool.query(`
    -- Before the next statement adds grants: a row has one change, which is its final one.
    UPDATE session_grants SET created_at = created_at + interval '1 second';
    -- The threads too: sharing a session changes their audiences.
    UPDATE chat_threads SET metadata = jsonb_build_object('x', ${mark('tenant_id', 'id')});
    UPDATE sessions SET repo_label = ${mark('tenant_id', 'id')},
      visibility = CASE tenant_id || id WHEN 't1s1' THEN 'tenant' ELSE visibility END;
    INSERT INTO sessions (tenant_id, id, owner_id, title)
    SELECT t, 's9-' || u, u, '«' || t || '/s9-' || u || '»'
    FROM unnest(ARRAY['t1', 't2']) t, unnest(ARRAY['ann', 'bob']) u;
    UPDATE timeline_events SET title = ${mark('tenant_id', 'id')};
    UPDATE chat_messages SET metadata = jsonb_build_object('x', ${mark('tenant_id', 'id')});
    UPDATE chat_thread_states SET read_position = 2;
    UPDATE chat_message_feedback SET comment = ${mark('tenant_id', 'user_id', 'message_id')};
    UPDATE chat_message_deltas SET delta = ${mark('tenant_id', 'message_id', 'seq::text')};
    UPDATE folder_projects SET name = ${mark('tenant_id', 'id')}, budget = budget + 1`)
}

const proxyOf = (name: string) => {
  const found = proxies.get(name)
  if (found === undefined) throw new Error(`no proxy ${name}`)
  return found
}

test(
  `every poll of a random batch gets the rows of the SQL reference (${CASES})`,
  async () => {
    const { serve, places } = proxyOf('honest')
    const seen = await huntBatches(world, serve, places, CASES)
    expect(seen.polls).toBeGreaterThan(CASES * 2)
    expect(seen.whole).toBeGreaterThan(CASES / 4)
    expect(seen.rows).toBeGreaterThan(CASES / 2)
    expect(seen.refusedPolls).toBeGreaterThan(CASES / 4)
    expect(seen.throughAudience).toBeGreaterThan(CASES / 50)
    expect(seen.forbidden).toBeGreaterThan(CASES / 10)
    expect(seen.refusedBatches).toBeGreaterThan(CASES / 20)
  },
  PATIENCE_MS,
)

describe('the hunt finds a planted leak', () => {
  test.each(Object.keys({ ...leakyShapes, ...leakyProxies }))(
    '%s',
    async (name) => {
      const { serve, places } = proxyOf(name)
      await expect(huntBatches(world, serve, places, ENOUGH_FOR_A_LEAK)).rejects.toThrow(
        /Property failed/,
      )
    },
    PATIENCE_MS,
  )
})
