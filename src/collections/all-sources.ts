import type { AppShapeSources } from './app-shapes.ts'
import type { SyncStream } from './electric.ts'
import type { Sources } from './sources.ts'

/** A source, whatever its rows are. */
type AnySource = Pick<SyncStream, 'restart' | 'empty'> & {
  readonly collection: { cleanup(): Promise<void> }
}

/** What may sync or have stopped: the sessions, and every scope that is in use. */
export function allSources(
  { sessions, bySession, byThread, openWindows }: Sources,
  appShapes: AppShapeSources,
): AnySource[] {
  const scopes = [
    ...openWindows,
    ...bySession
      .allLive()
      .flatMap(({ timeline, threads, messages }) => [timeline, threads, messages]),
    ...byThread.allLive().map(({ messages }) => messages),
    ...appShapes.allLive(),
  ]
  return [sessions, ...scopes].map(({ collection, restart, empty }) => ({
    restart,
    empty,
    collection: collection as AnySource['collection'],
  }))
}
