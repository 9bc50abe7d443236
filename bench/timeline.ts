import {
  BasicIndex,
  createCollection,
  createLiveQueryCollection,
  type SyncConfig,
} from '@tanstack/db'
import {
  createSessionCollections,
  type RowCollection,
  type SessionCollections,
  timelineView,
} from '../src/index.ts'
import type { TimelineEvent } from '../src/schema/index.ts'
import { createShapeProxy, migrate } from '../src/server/index.ts'
import {
  type BenchContext,
  type Benchmark,
  type Comparison,
  compare,
  interleave,
  timed,
} from './harness.ts'
import { withPostgres } from './support/bench-postgres.ts'
import { openOnDemand } from './support/on-demand-timeline.ts'
import { serveHandler } from './support/serve-handler.ts'
import { startServerProcess } from './support/server-process.ts'

const EVENTS = 100_000
const PAGE = 200
const STEPS = 25
const LIVE_EVENTS = 200

/** Opens a session of 100,000 events, scrolls through it, and adds an event while it is shown. */
export const benchmark: Benchmark = { name: 'timeline', run }

async function run(context: BenchContext): Promise<Comparison[]> {
  return withPostgres(async (postgres) => {
    await migrate({ database: postgres.url })
    const database = await postgres.connect()
    await database.query(`
      INSERT INTO sessions (tenant_id, id, owner_id, title, status, event_count)
      VALUES ('acme', 's1', 'ada', 'Long', 'ready', ${EVENTS});
      INSERT INTO timeline_events (tenant_id, id, session_id, seq, kind, role, text, data)
      SELECT 'acme', 's1:' || n, 's1', n, 'message', 'user', repeat('a line of text ', 15),
        jsonb_build_object('line', n)
      FROM generate_series(0, ${EVENTS - 1}) n;
      ANALYZE timeline_events`)
    const shapes = await startServerProcess({
      program: 'shape-server',
      argument: { database: postgres.url },
      cpuProfileDirectory: context.cpuProfileDirectory,
    })
    const proxy = createShapeProxy({
      electricUrl: shapes.url,
      authenticate: () => ({ tenantId: 'acme', userId: 'ada' }),
      limits: false,
    })
    const server = await serveHandler(proxy)
    const electricUrl = `${server.url}/shapes`
    try {
      return [
        ...(await firstPaint(context, electricUrl, shapes.url)),
        ...(await scrolling(context, electricUrl, shapes.url)),
        await liveEvent(context),
      ]
    } finally {
      await server.close()
      await shapes.stop()
    }
  })
}

async function opened<T>(
  electricUrl: string,
  work: (db: SessionCollections) => Promise<T>,
): Promise<T> {
  const db = createSessionCollections({
    electricUrl,
    writeAdapter: () => Promise.reject(new Error('nothing is written')),
  })
  try {
    return await work(db)
  } finally {
    await db.cleanup()
  }
}

async function firstPaint(
  context: BenchContext,
  electricUrl: string,
  engineUrl: string,
): Promise<Comparison[]> {
  const { windows, whole, onDemand } = await interleave(Math.min(context.rounds, 5), {
    windows: () =>
      opened(electricUrl, (db) =>
        timed(async () => {
          const view = timelineView(db, 's1')
          await view.show(0, PAGE)
          await sorted(view.events).preload()
        }),
      ),
    whole: () =>
      opened(electricUrl, (db) => timed(() => sorted(db.session('s1').timeline).preload())),
    onDemand: async () => {
      const timeline = openOnDemand(engineUrl, 's1')
      const time = await timed(() => timeline.show(0, PAGE))
      await timeline.close()
      return time
    },
  })
  const name = 'first paint of 100,000 events, windows'
  const unit = 'ms'
  return [
    compare({
      name,
      unit,
      ours: windows,
      reference: whole,
      referenceName: 'whole timeline',
      goal: { ratio: 0.2 },
    }),
    compare({
      name: `${name}, to on-demand sync`,
      unit,
      ours: windows,
      reference: onDemand,
      referenceName: 'on-demand sync',
    }),
  ]
}

/** Moves to the end in 25 steps, as dragging the scroll bar does. */
async function scrolling(
  context: BenchContext,
  electricUrl: string,
  engineUrl: string,
): Promise<Comparison[]> {
  const step = EVENTS / STEPS
  const through = async (show: (from: number, to: number) => Promise<void>) => {
    for (let n = 1; n <= STEPS; n++) await show(n * step - PAGE, n * step)
  }
  const { windows, onDemand } = await interleave(Math.min(context.rounds, 3), {
    windows: () =>
      opened(electricUrl, async (db) => {
        const view = timelineView(db, 's1')
        const time = await timed(() => through(view.show))
        await view.close()
        return time / STEPS
      }),
    onDemand: async () => {
      const timeline = openOnDemand(engineUrl, 's1')
      const time = await timed(() => through(timeline.show))
      await timeline.close()
      return time / STEPS
    },
  })
  return [
    compare({
      name: 'scroll to the end, per step, windows',
      unit: 'ms',
      ours: windows,
      reference: onDemand,
      referenceName: 'on-demand sync',
    }),
  ]
}

/**
 * Measures the overhead of TanStack DB, as the collections use it, over inserting a row into a sorted
 * array.
 */
async function liveEvent(context: BenchContext): Promise<Comparison> {
  let sync: Parameters<SyncConfig<TimelineEvent, string>['sync']>[0] | undefined
  const timeline = createCollection<TimelineEvent, string>({
    getKey: (event) => event.id,
    autoIndex: 'eager',
    defaultIndexType: BasicIndex,
    startSync: true,
    sync: {
      sync(params) {
        sync = params
        params.markReady()
      },
    },
  })
  const write = (events: readonly TimelineEvent[]) => {
    sync?.begin()
    for (const value of events) sync?.write({ type: 'insert', value })
    sync?.commit()
  }
  write(Array.from({ length: EVENTS }, (_, n) => eventAt(n)))
  const shown = sorted(timeline)
  await shown.preload()
  let seen = 0
  shown.subscribeChanges((changes) => {
    seen += changes.length
  })
  let array = shown.toArray as readonly TimelineEvent[]
  const samples: { ours: number[]; reference: number[] } = { ours: [], reference: [] }
  for (let n = 0; n < LIVE_EVENTS; n++) {
    const event = eventAt(EVENTS + n)
    const before = seen
    samples.ours.push(await timed(async () => write([event])))
    if (seen === before) throw new Error('the live query did not show the event at once')
    samples.reference.push(
      await timed(async () => {
        array = array.toSpliced(array.length, 0, event)
      }),
    )
  }
  context.note(`${shown.size} events shown`)
  return compare({
    name: 'one live event into a sorted query of 100,000',
    unit: 'ms',
    ...samples,
    referenceName: 'toSpliced of a sorted array',
    goal: { most: 1 },
  })
}

function sorted(timeline: RowCollection<TimelineEvent>) {
  return createLiveQueryCollection((q) =>
    q.from({ event: timeline }).orderBy(({ event }) => event.seq),
  )
}

function eventAt(seq: number): TimelineEvent {
  return {
    tenantId: 'acme',
    id: `s1:${seq}`,
    sessionId: 's1',
    seq,
    kind: 'message',
    role: 'user',
    occurredAt: null,
    title: null,
    text: 'a line of text',
    toolName: null,
    callId: null,
    parentId: null,
    fold: null,
    data: { line: seq },
    createdAt: new Date(0),
  }
}
