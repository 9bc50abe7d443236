import type { Pool, PoolClient, QueryConfig } from 'pg'
import { ignoreBreak } from '../../with-client.ts'
import type { Query } from '../query.ts'
import { type Driver, type DriverConnection, inOrder } from './driver.ts'

/** Runs statements on a pool of `pg`; one with `pipeline: true` sends several at once. */
export function createPgDriver(pool: Pool): Driver {
  return {
    run: async (query) => (await pool.query(toConfig(query))).rows,
    async connect(work) {
      const client = await pool.connect()
      client.on('error', ignoreBreak)
      let broken = true
      try {
        const result = await work(connectionOf(client))
        broken = false
        return result
      } finally {
        client.off('error', ignoreBreak)
        client.release(broken)
      }
    },
  }
}

function connectionOf(client: PoolClient): DriverConnection {
  return {
    async *send(queries) {
      if (client.pipeline) {
        yield* inOrder(queries.map(async (query) => (await client.query(toConfig(query))).rows))
        return
      }
      for (const query of queries) yield (await client.query(toConfig(query))).rows
    },
  }
}

function toConfig({ name, text, values }: Query): QueryConfig {
  const config = { text, values: values as unknown[] }
  return name === undefined ? config : { name, ...config }
}
