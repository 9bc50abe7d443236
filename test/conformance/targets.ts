import { createShapeServer } from '../../src/dev/shape-server/index.ts'
import { startTestPostgres } from '../support/postgres.ts'
import type { Recording } from './recording.ts'
import type { Target } from './replay.ts'

/** Provides servers to replay recordings against. */
export interface TargetProvider {
  /** The server with the settings of a recording. */
  of(recording: Recording): Promise<Target>
  stop(): Promise<void>
}

/** Returns a provider of one given server, whatever its settings. */
export function givenTarget(target: Target): TargetProvider {
  return { of: async () => target, stop: async () => undefined }
}

/** Starts a Postgres, and a shape server for each setting that recordings need. */
export async function ownTarget(): Promise<TargetProvider> {
  const postgres = await startTestPostgres()
  const servers = new Map<string, Promise<Target & { close(): Promise<void> }>>()

  async function start(secret: string | undefined) {
    const databaseUrl = postgres.url
    const server = await createShapeServer({
      database: databaseUrl,
      longPollMs: 2000,
      // Recordings have origins of apps.
      allowOrigin: () => true,
      // They were made with Postgres 15.
      generatedColumns: false,
      // The recordings with a secret were made on an instance that does not allow DELETE.
      allowShapeDeletion: secret === undefined,
      ...(secret === undefined ? {} : { secret }),
      ...(process.env.CONFORMANCE_LOG ? { onEvent: console.error } : {}),
    })
    const { url } = await server.listen()
    return { url, databaseUrl, close: () => server.close() }
  }

  return {
    of(recording) {
      const secret = recording.config?.ELECTRIC_SECRET?.toString()
      const known = servers.get(secret ?? '') ?? start(secret)
      servers.set(secret ?? '', known)
      return known
    },
    async stop() {
      for (const server of servers.values()) await (await server).close()
      await postgres.stop()
    },
  }
}
