import { type Driver, type DriverConnection, inOrder, type Rows } from './driver.ts'

interface PostgresJsQueries {
  unsafe(
    query: string,
    parameters?: unknown[],
    options?: { readonly prepare?: boolean },
  ): PromiseLike<Rows>
}

/** What the store needs of `postgres()`, so that its types need not be installed. */
export interface PostgresJs extends PostgresJsQueries {
  reserve(): Promise<PostgresJsQueries & { release(): void }>
}

/** Runs statements through postgres.js, which sends what is waiting for one connection at once. */
export function createPostgresJsDriver(sql: PostgresJs): Driver {
  return {
    run: async ({ name, text, values }) => await sql.unsafe(text, [...values], prepared(name)),
    async connect(work) {
      const reserved = await sql.reserve()
      try {
        return await work(connectionOf(reserved))
      } finally {
        // A connection that broke is opened again when it is next used.
        reserved.release()
      }
    },
  }
}

function connectionOf(reserved: PostgresJsQueries): DriverConnection {
  return {
    send: (queries) =>
      inOrder(
        queries.map(({ name, text, values }) => reserved.unsafe(text, [...values], prepared(name))),
      ),
  }
}

function prepared(name: string | undefined): { readonly prepare: boolean } {
  return { prepare: name !== undefined }
}
