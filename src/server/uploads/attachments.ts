import { sql } from 'kysely'
import * as z from 'zod/mini'
import { idField, textUpTo } from '../../schema/fields.ts'
import type { Principal } from '../../schema/principal.ts'
import { validated } from '../../schema/validate.ts'
import { SessionDbError } from '../../writes/errors.ts'
import { inTransaction } from '../connections.ts'
import { missingRow, retryUnprepared } from '../store/errors.ts'
import {
  CHUNK_BYTES,
  CHUNKS_PER_STATEMENT,
  type ChunkRow,
  chunkBytes,
  insertChunks,
  packChunk,
  readChunks,
} from './content/chunks.ts'
import type { ByteRange } from './content/content-store.ts'
import { wrongOffset } from './receive-content.ts'
import { sniffMediaType } from './sniff-media-type.ts'
import { guard, inTurn, type UploadContext } from './upload-state.ts'

/** A file to attach to a message of a thread. */
export interface NewAttachment {
  readonly id: string
  readonly threadId: string
  /** Size of the file, in bytes. */
  readonly totalBytes: number
  /** The file's name. */
  readonly name?: string | undefined
}

/** The state of an attachment. It is complete when all bytes are received. */
export interface AttachmentState {
  readonly id: string
  readonly sessionId: string
  readonly name: string | null
  /** As the first bytes of the file show, whatever the browser claims; null until it is complete. */
  readonly mediaType: string | null
  /** The offset to resume at. */
  readonly receivedBytes: number
  readonly totalBytes: number
}

/** An opened attachment; `body` can be read once. */
export interface OpenedAttachment extends AttachmentState {
  readonly mediaType: string
  readonly body: AsyncIterable<Uint8Array>
}

/**
 * The attachments of messages. Who may write a message in a thread may attach a file; who sees the session reads it.
 * An attachment is deleted with the last message that refers to it, or a day after its upload if none does.
 */
export interface SessionAttachments<P extends Principal = Principal> {
  /**
   * Creates an attachment that waits for its bytes. Calling it again with the same id resumes the upload.
   *
   * @throws SessionDbError `invalid`, `not_found`, `forbidden`, `too_large`, `rate_limited` beyond `maxUnderWay`,
   * `conflict` when another attachment has the id
   * @example
   * await store.createAttachment(principal, { id, threadId, totalBytes: bytes.length, name: 'plan.pdf' })
   * await store.receiveAttachment(principal, id, [bytes])
   */
  createAttachment(principal: P, attachment: NewAttachment): Promise<AttachmentState>
  /**
   * Stores the next part of a file. After a broken stream, the bytes received so far are kept.
   *
   * @param options.offset byte offset of the part. Default: the current end.
   * @throws SessionDbError `conflict` at another offset (`details.receivedBytes`), `invalid` for more bytes than
   * announced, `not_found`. Errors of the stream are rethrown.
   */
  receiveAttachment(
    principal: P,
    id: string,
    content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    options?: { readonly offset?: number },
  ): Promise<AttachmentState>
  /** Reads the state of an attachment. @throws SessionDbError `not_found` */
  attachmentState(principal: P, id: string): Promise<AttachmentState>
  /**
   * Opens an attachment that is complete, or a range of it.
   *
   * @throws SessionDbError `not_found` when there is none or the principal may not see its session
   * @example
   * const { mediaType, body } = await store.openAttachment(principal, id)
   */
  openAttachment(principal: P, id: string, range?: ByteRange): Promise<OpenedAttachment>
  /** Deletes an attachment of the principal that no message refers to. @throws SessionDbError `not_found` */
  deleteAttachment(principal: P, id: string): Promise<void>
}

const newAttachmentSchema = z.strictObject({
  id: idField,
  threadId: idField,
  totalBytes: z.int().check(z.positive()),
  name: z.optional(textUpTo(1_000).check(z.minLength(1))),
})

const HEAD_BYTES = 4_096
const COLUMNS = sql.raw(`attachment.id, attachment.session_id AS "sessionId", attachment.name,
  attachment.media_type AS "mediaType", attachment.received_bytes::float8 AS "receivedBytes",
  attachment.total_bytes::float8 AS "totalBytes"`)
const TABLE = 'chat_attachment_chunks'

/** Creates the attachment methods of a session store. */
export function createAttachments<P extends Principal>(
  context: UploadContext<P>,
): SessionAttachments<P> {
  const { pool, policy, preparer, limits, limiters } = context

  async function query<Row>(statement: ReturnType<typeof sql>): Promise<Row[]> {
    return (await pool.query(preparer.prepare(statement))).rows as Row[]
  }

  async function create(principal: P, given: NewAttachment): Promise<AttachmentState> {
    const attachment = validated(newAttachmentSchema, given, 'The attachment')
    const { id, threadId, totalBytes, name = null } = attachment
    const { tenantId, userId } = principal
    if (totalBytes > limits.maxAttachmentBytes) {
      const message = `The file is larger than the ${limits.maxAttachmentBytes} bytes allowed. Attach a smaller one.`
      const details = { limitBytes: limits.maxAttachmentBytes }
      throw new SessionDbError('too_large', message, { details })
    }
    const value = { id, threadId, role: 'user', content: '' } as const
    const permitted = policy.permits(principal, {
      collection: 'chatMessages',
      type: 'insert',
      value,
    })
    const [row] = await query<{ permitted: boolean; full: boolean; mine: boolean | null }>(sql`
      WITH target AS MATERIALIZED (
        SELECT session.id, (${permitted}) IS TRUE AS permitted, EXISTS (
            SELECT FROM chat_attachments a
            WHERE a.tenant_id = ${tenantId} AND a.created_by = ${userId} AND NOT a.attached
              AND a.id <> ${id}
            LIMIT 1 OFFSET ${limits.maxUnderWay - 1}::bigint) AS full
        FROM chat_threads AS thread
        JOIN sessions AS session
          ON session.tenant_id = thread.tenant_id AND session.id = thread.session_id
        WHERE thread.tenant_id = ${tenantId} AND thread.id = ${threadId} AND (${policy.see(principal)})
        FOR SHARE OF session
      ), added AS (
        INSERT INTO chat_attachments (tenant_id, id, session_id, created_by, name, total_bytes)
        SELECT ${tenantId}, ${id}, target.id, ${userId}, ${name}, ${totalBytes}::bigint
        FROM target WHERE target.permitted AND NOT target.full
        ON CONFLICT DO NOTHING RETURNING id
      )
      SELECT target.permitted, target.full, EXISTS (SELECT FROM added) OR (
        SELECT a.created_by = ${userId} AND a.session_id = target.id
          AND a.total_bytes = ${totalBytes}::bigint
        FROM chat_attachments a WHERE a.tenant_id = ${tenantId} AND a.id = ${id}) AS mine
      FROM target`)
    if (row === undefined) throw missingRow('thread')
    if (!row.permitted) {
      throw new SessionDbError('forbidden', 'You can read this thread but not write in it.')
    }
    if (row.full) {
      throw new SessionDbError(
        'rate_limited',
        `You have ${limits.maxUnderWay} files that no message refers to (maxUnderWay). Send or remove some.`,
        { details: { name: 'maxUnderWay', retryAfterMs: 5_000 } },
      )
    }
    if (row.mine !== true) {
      throw new SessionDbError('conflict', 'Another attachment has this id. Use a new one.')
    }
    return read(principal, id)
  }

  async function read(principal: P, id: string): Promise<AttachmentState> {
    const [row] = await query<AttachmentState>(sql`
      SELECT ${COLUMNS} FROM chat_attachments AS attachment
      JOIN sessions AS session ON session.tenant_id = attachment.tenant_id
        AND session.id = attachment.session_id
      WHERE attachment.tenant_id = ${principal.tenantId} AND attachment.id = ${id}
        AND (${policy.see(principal)})`)
    if (row === undefined) throw missingRow('attachment')
    return row
  }

  async function receive(
    principal: P,
    id: string,
    content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    offset: number | undefined,
  ): Promise<AttachmentState> {
    const { receivedBytes, totalBytes } = await read(principal, id)
    if (offset !== undefined && offset !== receivedBytes) throw wrongOffset(receivedBytes, offset)
    const key = { tenantId: principal.tenantId, contentId: id }
    let [start, position] = [receivedBytes, receivedBytes]
    let chunks: ChunkRow[] = []
    const head: Uint8Array[] = []
    for await (const bytes of readChunks(pool, key, { end: Math.min(start, HEAD_BYTES) }, TABLE)) {
      head.push(bytes)
    }

    const flush = async () => {
      if (chunks.length === 0) return
      const [added, end] = [chunks, position]
      const type = end === totalBytes ? sniffMediaType(Buffer.concat(head)) : null
      const grown = await retryUnprepared(() =>
        inTransaction(pool, async (client) => {
          const grow = preparer.prepare(sql`
            UPDATE chat_attachments AS attachment
            SET received_bytes = ${end}::bigint, media_type = ${type}
            FROM sessions AS session
            WHERE attachment.tenant_id = ${principal.tenantId} AND attachment.id = ${id}
              AND attachment.received_bytes = ${start}::bigint
              AND attachment.created_by = ${principal.userId}
              AND session.tenant_id = attachment.tenant_id AND session.id = attachment.session_id
              AND (${policy.see(principal)})`)
          if ((await client.query(grow)).rowCount !== 1) return false
          await insertChunks(client, key, added, TABLE)
          return true
        }),
      )
      if (!grown) throw wrongOffset((await read(principal, id)).receivedBytes, start)
      chunks = []
      start = end
    }

    try {
      for await (const bytes of chunkBytes(toAsync(content), CHUNK_BYTES)) {
        if (position + bytes.byteLength > totalBytes) {
          const message = `The file has more than the announced ${totalBytes} bytes. Attach it again.`
          throw new SessionDbError('invalid', message, { details: { totalBytes } })
        }
        if (position < HEAD_BYTES) head.push(bytes.subarray(0, HEAD_BYTES))
        chunks.push(await packChunk(position, bytes))
        position += bytes.byteLength
        if (chunks.length >= CHUNKS_PER_STATEMENT) await flush()
      }
    } catch (error) {
      // The connection broke: keep the received bytes so that the upload can resume.
      if (!(error instanceof SessionDbError)) await flush()
      throw error
    }
    await flush()
    return read(principal, id)
  }

  async function open(principal: P, id: string, range: ByteRange): Promise<OpenedAttachment> {
    const state = await read(principal, id)
    const { mediaType } = state
    if (mediaType === null) throw missingRow('attachment')
    const end = Math.min(range.end ?? state.totalBytes, state.totalBytes)
    const key = { tenantId: principal.tenantId, contentId: id }
    const chunks = readChunks(pool, key, { ...range, end }, TABLE)
    return { ...state, mediaType, body: inTurn(context, principal, chunks) }
  }

  async function remove({ tenantId, userId }: P, id: string): Promise<void> {
    const removed = await query(sql`
      DELETE FROM chat_attachments
      WHERE tenant_id = ${tenantId} AND id = ${id} AND created_by = ${userId} AND NOT attached
      RETURNING id`)
    if (removed.length === 0) throw missingRow('attachment')
  }

  const quick = <Result>(principal: P, work: () => Promise<Result>): Promise<Result> =>
    guard(principal, async () => {
      await limiters.uploads.spend(principal)
      return work()
    })

  return {
    createAttachment: (principal, attachment) =>
      quick(principal, () => create(principal, attachment)),
    receiveAttachment: (principal, id, content, { offset } = {}) =>
      guard(principal, () =>
        limiters.uploads.run(principal, () => receive(principal, id, content, offset)),
      ),
    attachmentState: (principal, id) => quick(principal, () => read(principal, id)),
    openAttachment: (principal, id, range = {}) =>
      guard(principal, async () => {
        await limiters.contents.spend(principal)
        return open(principal, id, range)
      }),
    deleteAttachment: (principal, id) => quick(principal, () => remove(principal, id)),
  }
}

async function* toAsync(
  content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  yield* content
}
