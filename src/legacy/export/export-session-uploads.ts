import { createHash } from 'node:crypto'
import { type FileHandle, mkdir, open, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SessionDbError } from '../../errors.ts'

/** The file with one line per upload. */
export const UPLOADS_FILE = 'session-uploads.ndjson'
/** The directory beside it with the contents, each named by its SHA-256. */
export const UPLOAD_CONTENTS = 'session-upload-contents'

/** An upload of the old app. Further fields are kept. */
export interface LegacyUpload {
  readonly id: string
  readonly originalName: string
  readonly content: string
  readonly [field: string]: unknown
}

/** An exported upload. */
export interface ExportedUpload {
  readonly id: string
  readonly bytes: number
  /** Null for an upload without content, which the import will quarantine. */
  readonly sha256: string | null
}

/**
 * Writes the uploads that the old process holds in memory to its data directory, before they are lost
 * with it: one NDJSON line each, and the content as a file. Call it in the old process;
 * `session-db import` reads the result. The NDJSON file appears only when the last upload is written,
 * so a partial export is never imported. An upload without content does not stop the others.
 *
 * @param uploads for example `sessionUploadsCollection.toArray`
 * @yields each upload once it is on disk.
 * @throws SessionDbError `invalid`, naming the upload, for one that cannot be written as JSON.
 * @example
 * for await (const { id, bytes } of exportSessionUploads(uploads.toArray, { directory: 'data' })) {
 *   console.log(id, bytes)
 * }
 */
export async function* exportSessionUploads(
  uploads: Iterable<LegacyUpload> | AsyncIterable<LegacyUpload>,
  { directory }: { readonly directory: string },
): AsyncGenerator<ExportedUpload> {
  const contents = join(directory, UPLOAD_CONTENTS)
  const path = join(directory, UPLOADS_FILE)
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

/** @param content from the old process, which may hold anything */
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
