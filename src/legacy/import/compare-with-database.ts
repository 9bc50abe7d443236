import type { ClientBase } from 'pg'
import { compareMessages, compareThreads, summarizeThreads } from './compare-sql.ts'
import type { ThreadReport } from './import-report.ts'
import type { PlaceSql } from './place-sql.ts'

/** Reads back every thread of the files and compares it with them; where they differ, message by message. */
export async function compareWithDatabase(
  client: ClientBase,
  sql: PlaceSql,
  dryRun: boolean,
): Promise<ThreadReport[]> {
  await client.query(summarizeThreads(sql, dryRun))
  await client.query(compareMessages(sql, dryRun))
  const { rows } = await client.query<Omit<ThreadReport, 'agrees'>>(compareThreads(sql, dryRun))
  return rows.map((row) => ({ ...row, agrees: row.differences.length === 0 }))
}
