import { createHash } from 'node:crypto'
import { type FileHandle, mkdir, open, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SessionDbError } from '../../errors.ts'

/** File that `exportSessionUploads` writes, one line per upload. */
export const UPLOADS_FILE = 'session-uploads.ndjson'
/** Directory beside it that holds the contents, each under its SHA-256. */
export const UPLOAD_CONTENTS = 'session-upload-contents'

/** An upload as the old app held it in memory. Further fields are kept. */
export interface LegacyUpload {
  readonly id: string
  readonly originalName: string
  readonly content: string
  readonly [field: string]: unknown
}

/** An upload that has been written out. */
export interface ExportedUpload {
  readonly id: string
  readonly bytes: number
  /** Null for one without content: the import puts its line into the quarantine. */
  readonly sha256: string | null
}

/**
 * Writes the old process's uploads to its data directory, before they are lost with it: a line of
 * NDJSON for each, and its content as a file. Call it in the old process; `session-db import` takes
 * it from there. The file appears under its name when the last upload has been written, so half an
 * export is never taken for a whole one. An upload without content does not stop the others.
 *
 * @param uploads for example `sessionUploadsCollection.toArray`, or anything that yields uploads.
 * @yields each upload once it is on disk.
 * @throws SessionDbError `invalid`, naming the upload, for one whose fields are no JSON.
 * @example
 * for await (const { id, bytes } of exportSessionUploads(uploads.toArray, { dataDir: 'data' })) {
 *   console.log(id, bytes)
 * }
 */
export async function* exportSessionUploads(
  uploads: Iterable<LegacyUpload> | AsyncIterable<LegacyUpload>,
  { dataDir }: { readonly dataDir: string },
): AsyncGenerator<ExportedUpload> {
  const contents = join(dataDir, UPLOAD_CONTENTS)
  const path = join(dataDir, UPLOADS_FILE)
  await mkdir(contents, { recursive: true })
  const file: FileHandle = await open(`${path}.unfinished`, 'w')
  let count = 0
  try {
    for await (const { content, ...fields } of uploads) {
      const stored = await writeContent(contents, content)
      await file.write(`${uploadLine({ ...fields, contentSha256: stored.sha256 })}\n`)
      count += 1
      yield { id: fields.id, ...stored }
    }
    await file.write(`${JSON.stringify({ end: true, count })}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(`${path}.unfinished`, path)
}

/** @param content anything that an old process may hold where a text is meant. */
async function writeContent(
  directory: string,
  content: unknown,
): Promise<Omit<ExportedUpload, 'id'>> {
  if (typeof content !== 'string' && !(content instanceof Uint8Array)) {
    return { bytes: 0, sha256: null }
  }
  const bytes = Buffer.from(content)
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  await writeFile(join(directory, sha256), bytes, { flush: true })
  return { bytes: bytes.length, sha256 }
}

function uploadLine(fields: { readonly id: string; readonly [field: string]: unknown }): string {
  try {
    return JSON.stringify(fields)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new SessionDbError('invalid', `Upload ${fields.id} cannot be exported: ${reason}`, {
      cause,
    })
  }
}
