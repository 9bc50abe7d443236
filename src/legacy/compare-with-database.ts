import type { ClientBase } from 'pg'
import type { ThreadReport } from './import-report.ts'
import { compareMessages, compareThreads, type PlaceSql } from './place-sql.ts'

/** Reads back every thread of the files and compares it with them, message by message. */
export async function compareWithDatabase(
  client: ClientBase,
  sql: PlaceSql,
  dryRun: boolean,
): Promise<ThreadReport[]> {
  await client.query(compareMessages(sql, dryRun))
  const { rows } = await client.query<Omit<ThreadReport, 'agrees'>>(compareThreads(sql, dryRun))
  return rows.map((row) => ({ ...row, agrees: row.differences.length === 0 }))
}
