import type { ClientBase } from 'pg'
import type { RecordIssue, SnapshotFileName } from './import-report.ts'
import {
  chooseActive,
  type PlaceSql,
  placeMessages,
  planThreads,
  readKnown,
  setRepeatsAside,
} from './place-sql.ts'
import { type IssueList, MAX_LISTED_ISSUES } from './record-issues.ts'
import { fileNumbers } from './staging-tables.ts'

const fileNames = Object.keys(fileNumbers) as SnapshotFileName[]

/** Decides what is missing in the database and where it goes; nothing outside temporary tables is written. */
export async function placeRecords(
  client: ClientBase,
  sql: PlaceSql,
  notes: IssueList,
): Promise<void> {
  await client.query(readKnown(sql))
  await client.query(chooseActive)
  await client.query(placeMessages(sql))
  await client.query(planThreads)
  for (const query of oddities) await addNotes(client, notes, query)
}

/**
 * Takes records whose id came before out of the staging tables. The same once more is noted.
 *
 * @returns those that say something else, in the order of the files.
 */
export async function setAside(
  client: ClientBase,
  notes: IssueList,
): Promise<readonly RecordIssue[]> {
  await client.query(setRepeatsAside)
  const repeats = (reason: string, which: string) =>
    `SELECT file, index, id, '${reason} ' || first AS reason FROM legacy_repeats WHERE ${which}`
  await addNotes(client, notes, repeats('repeats', 'same'))
  const { rows } = await client.query<OddRecord>(
    `${repeats('has the id of', 'NOT same')} ORDER BY file, index`,
  )
  return rows.map(toIssue)
}

interface OddRecord {
  readonly file: number
  readonly index: number
  readonly id: string
  readonly reason: string
}

function toIssue({ file, index, id, reason }: OddRecord): RecordIssue {
  return { file: fileNames[file] as SnapshotFileName, index, id, reason }
}

// Odd records are few: each is looked up, where the planner would read all messages once more.
const MESSAGE_OF_PLACE =
  'CROSS JOIN LATERAL (SELECT * FROM legacy_messages WHERE n = p.n OFFSET 0) m'

/** Each selects file, index, id and reason of records that are imported otherwise than they stand. */
const oddities = [
  `SELECT 0 AS file, t.index, t.id, 'belongs to another session in the database, left there' AS reason
   FROM legacy_threads t JOIN legacy_known_threads k ON k.id = t.id
   WHERE k.session_id <> t.session_id`,
  `SELECT 0 AS file, t.index, t.id, 'archived: another thread of its session and mode is active' AS reason
   FROM legacy_threads t JOIN legacy_new_threads n ON n.id = t.id
   WHERE t.status = 'active' AND n.status <> 'active'`,
  `SELECT m.file, m.index, m.id,
     'is the same message as ' || p.same_as || ': its clientMessageId is the same' AS reason
   FROM legacy_same p
   ${MESSAGE_OF_PLACE}`,
  `SELECT m.file, m.index, m.id, CASE WHEN m.thread_id IS NULL
     THEN 'names no thread and there is no active one: thread ' || p.thread_id || ' was made'
     ELSE 'names thread ' || p.thread_id || ', of which there is no record: an archived one was made'
   END AS reason
   FROM legacy_recovered r JOIN legacy_placed p ON p.thread_id = r.id
   JOIN legacy_messages m ON m.n = p.n WHERE p.same_as IS NULL`,
  `SELECT m.file, m.index, m.id,
     CASE WHEN p.elsewhere
       THEN 'names session ' || m.session_id || ', but its thread belongs to another'
       ELSE 'names mode ' || m.mode || ', but its thread is of another'
     END AS reason
   FROM (
     SELECT p.n, e.session_id <> p.session_id AS elsewhere FROM legacy_placed p
     JOIN legacy_expected e ON e.id = p.thread_id
       AND (e.session_id <> p.session_id OR e.mode <> p.mode)
     WHERE p.same_as IS NULL OFFSET 0
   ) p ${MESSAGE_OF_PLACE}`,
]

async function addNotes(client: ClientBase, notes: IssueList, query: string): Promise<void> {
  const { rows } = await client.query<OddRecord & { total: number }>(
    `SELECT *, count(*) OVER ()::int AS total FROM (${query}) notes
     ORDER BY file, index LIMIT ${MAX_LISTED_ISSUES}`,
  )
  for (const row of rows) notes.add(toIssue(row))
  notes.addUnlisted((rows[0]?.total ?? 0) - rows.length)
}
