import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ClientBase, Pool } from 'pg'
import { SessionDbError } from '../../errors.ts'
import { readChunks } from '../../server/uploads/content/chunks.ts'
import { type ContentStore, parseContentRef } from '../../server/uploads/content/content-store.ts'
import { type GivenContents, sha256OfFile, storeContent } from '../content-files.ts'

/** Subdirectory of an export with the contents of sessions, each named by its SHA-256. */
const CONTENTS_DIRECTORY = 'contents'

/** A content of an export. */
export interface ExportedContent {
  readonly sha256: string
  readonly bytes: number
  /** The store that it came from, and is restored to. */
  readonly scheme: string
}

export interface ContentScope {
  readonly tenantId: string
  /** Only those of this user's sessions. */
  readonly userId?: string | undefined
  /** Stores other than Postgres. */
  readonly contents?: GivenContents | undefined
}

interface ReferredContent {
  readonly ref: string
  readonly bytes: string
  /** Null if it is not stored in Postgres. */
  readonly id: string | null
}

/**
 * Writes the contents that sessions refer to, one file each.
 *
 * @throws SessionDbError `unavailable` when one is in a store that was not given, or does not match its
 *   hash.
 */
export async function exportContents(
  client: ClientBase,
  directory: string,
  { tenantId, userId, contents = [] }: ContentScope,
): Promise<ExportedContent[]> {
  const { rows } = await client.query<ReferredContent>(
    `SELECT DISTINCT s.content_ref COLLATE "C" AS ref, s.content_bytes AS bytes, c.id FROM sessions s
     LEFT JOIN session_contents c
       ON c.tenant_id = s.tenant_id AND s.content_ref = 'pg:' || c.sha256
     WHERE s.tenant_id = $1 AND s.content_ref IS NOT NULL AND ($2::text IS NULL OR s.owner_id = $2)
     ORDER BY 1`,
    [tenantId, userId ?? null],
  )
  if (rows.length > 0) await mkdir(join(directory, CONTENTS_DIRECTORY))
  const exported: ExportedContent[] = []
  for (const row of rows) {
    const { scheme, sha256 } = parseContentRef(row.ref) ?? { scheme: '', sha256: '' }
    const bytes =
      row.id === null
        ? storeOf(scheme, contents).get({ tenantId, sha256 })
        : readChunks(client, { tenantId, contentId: row.id })
    await writeContent(join(directory, CONTENTS_DIRECTORY, sha256), bytes, sha256)
    exported.push({ sha256, bytes: Number(row.bytes), scheme })
  }
  return exported
}

async function writeContent(
  path: string,
  bytes: AsyncIterable<Uint8Array>,
  sha256: string,
): Promise<void> {
  const hash = createHash('sha256')
  const measure = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk)
      done(null, chunk)
    },
  })
  await pipeline(Readable.from(bytes), measure, createWriteStream(path, { flush: true }))
  if (hash.digest('hex') === sha256) return
  throw new SessionDbError(
    'unavailable',
    `The content ${sha256} is damaged in its store: its bytes do not match its hash.`,
  )
}

/**
 * Stores the missing contents of an export in the caller's transaction. A dry run stores nothing
 * outside the database.
 *
 * @returns the number of contents stored.
 * @throws SessionDbError `invalid` for one that is missing or does not match its hash; `unavailable`
 *   when one belongs in a store that was not given.
 */
export async function importContents(
  client: ClientBase,
  exported: readonly ExportedContent[],
  {
    directory,
    tenantId,
    ...options
  }: {
    readonly database: string | Pool
    readonly directory: string
    readonly tenantId: string
    readonly contents?: GivenContents
    readonly dryRun?: boolean
  },
): Promise<number> {
  let stored = 0
  for (const { sha256, bytes, scheme } of exported) {
    const path = join(directory, CONTENTS_DIRECTORY, sha256)
    if ((await sha256OfFile(path)) !== sha256) throw changed(path)
    const store = scheme === 'pg' ? undefined : storeOf(scheme, options.contents ?? [])
    if (options.dryRun && store !== undefined) {
      if ((await store.stat({ tenantId, sha256 })) === undefined) stored += 1
      continue
    }
    const target = { client, database: options.database, tenantId, store }
    const { isNew } = await storeContent(target, {
      bytes,
      sha256,
      read: () => createReadStream(path),
    })
    if (isNew) stored += 1
  }
  return stored
}

function storeOf(scheme: string, contents: GivenContents): ContentStore {
  const store = [contents].flat().find((given) => given.scheme === scheme)
  if (store !== undefined) return store
  throw new SessionDbError(
    'unavailable',
    scheme === 'pg'
      ? 'A session refers to a content that is missing from the database.'
      : `Contents are in the store '${scheme}': pass it as contents (--s3-bucket for S3).`,
  )
}

function changed(path: string): SessionDbError {
  return new SessionDbError(
    'invalid',
    `${path} is missing or was changed since it was exported. Nothing was imported.`,
  )
}
