import { CompiledQuery, type Kysely } from 'kysely'
import type { Query } from '../query.ts'
import type { Driver, Rows } from './driver.ts'

/** An instance of Kysely over any Postgres dialect, whatever it knows of the database's tables. */
// biome-ignore lint/suspicious/noExplicitAny: Kysely is invariant in its tables, and has no other name for "any".
export type AnyKysely = Kysely<any>

/**
 * Runs statements through Kysely. No dialect has a way to keep a statement prepared, nor to send two
 * at once: Postgres plans each anew, and a batch of n mutations takes n + 4 round trips.
 */
export function createKyselyDriver(db: Pick<AnyKysely, 'executeQuery' | 'connection'>): Driver {
  return {
    run: async (query) => await run(db, query),
    connect: (work) =>
      db.connection().execute((held) =>
        work({
          async *send(queries) {
            for (const query of queries) yield await run(held, query)
          },
        }),
      ),
  }
}

async function run(db: Pick<AnyKysely, 'executeQuery'>, { text, values }: Query): Promise<Rows> {
  const { rows } = await db.executeQuery<object>(CompiledQuery.raw(text, [...values]))
  return rows
}
