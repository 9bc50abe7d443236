import { createHash } from 'node:crypto'
import { type FileHandle, mkdir, open, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

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
  readonly sha256: string
}

/**
 * Writes the old process's uploads to its data directory, before they are lost with it: a line of
 * NDJSON for each, and its content as a file. Call it in the old process; `session-db import` takes
 * it from there. The file appears under its name when the last upload has been written, so half an
 * export is never taken for a whole one.
 *
 * @param uploads for example `sessionUploadsCollection.toArray`, or anything that yields uploads.
 * @yields each upload once it is on disk.
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
      const bytes = Buffer.from(content)
      const sha256 = createHash('sha256').update(bytes).digest('hex')
      await writeFile(join(contents, sha256), bytes, { flush: true })
      await file.write(`${JSON.stringify({ ...fields, contentSha256: sha256 })}\n`)
      count += 1
      yield { id: fields.id, bytes: bytes.length, sha256 }
    }
    await file.write(`${JSON.stringify({ end: true, count })}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(`${path}.unfinished`, path)
}
