import { createColumnMapper } from '@electric-sql/client'
import { and, BasicIndex, createCollection, createLiveQueryCollection, gte, lt } from '@tanstack/db'
import { electricCollectionOptions } from '@tanstack/electric-db-collection'
import { timelineEventColumns } from '../../src/schema/index.ts'
import { isRefusal, resolveShape } from '../../src/shapes/resolve-shape.ts'
import { sessionShapes } from '../../src/shapes/session-shapes.ts'

/** A timeline that TanStack DB loads on demand, in subsets of one shape. */
export interface OnDemandTimeline {
  show(fromSeq: number, toSeq: number): Promise<void>
  close(): Promise<void>
}

let opened = 0

/** Requests the shape server directly, because the proxy offers no subsets. */
export function openOnDemand(electricUrl: string, sessionId: string): OnDemandTimeline {
  const principal = { tenantId: 'acme', userId: 'ada' }
  const shape = resolveShape(sessionShapes, 'session-timeline', { sessionId }, principal)
  if (isRefusal(shape)) throw new Error(shape.message)
  const columns = Object.entries(timelineEventColumns)
  const timeline = createCollection(
    electricCollectionOptions({
      id: `on-demand-${++opened}`,
      syncMode: 'on-demand',
      getKey: (row) => row.id as string,
      autoIndex: 'eager',
      defaultIndexType: BasicIndex,
      shapeOptions: {
        url: `${electricUrl}/v1/shape`,
        params: {
          table: shape.table,
          where: shape.where,
          columns: [...shape.columns],
          params: [...shape.params],
        },
        columnMapper: createColumnMapper(
          Object.fromEntries(columns.map(([property, { name }]) => [name, property])),
        ),
        warnOnHttp: false,
      },
    }),
  )
  const pages: { cleanup(): Promise<void> }[] = []
  return {
    async show(fromSeq, toSeq) {
      const page = createLiveQueryCollection((q) =>
        q
          .from({ event: timeline })
          .where(({ event }) => and(gte(event.seq, fromSeq), lt(event.seq, toSeq)))
          .orderBy(({ event }) => event.seq),
      )
      pages.push(page)
      await page.preload()
      if (page.size !== toSeq - fromSeq) throw new Error(`on demand came ${page.size} events`)
    },
    async close() {
      await Promise.all(pages.map((page) => page.cleanup()))
      await timeline.cleanup()
    },
  }
}
