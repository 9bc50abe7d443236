import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { JsonObject } from '../../schema/fields.ts'
import { MAX_TITLE_LENGTH } from '../../schema/limits.ts'
import { type ContentFile, sha256OfFile } from '../content-files.ts'
import { UPLOAD_CONTENTS } from '../export/export-session-uploads.ts'
import { BadRecordError, type RecordFields } from './record-fields.ts'

/** A line of `session-uploads.ndjson`, understood, and its content on disk. */
export interface UploadRecord {
  readonly id: string
  readonly title: string
  readonly originalName: string
  readonly source: 'upload' | 'bundled' | 'external'
  readonly sourcePath: string | null
  readonly repoLabel: string | null
  readonly repo: JsonObject | null
  readonly workspaceRoot: string | null
  /** Undefined when the line has no time. */
  readonly storedAt: Date | undefined
  readonly metadata: JsonObject
  readonly content: ContentFile
}

const KNOWN = new Set([
  ...['id', 'originalName', 'contentSha256', 'storedAt', 'source', 'sourcePath', 'repoLabel'],
  ...['workspaceRoot'],
])
const WITH_REPO = new Set([...KNOWN, 'repoMeta'])
const SOURCES = ['upload', 'bundled', 'external'] as const

/**
 * Understands one upload, and checks that its content is what was exported.
 *
 * @throws BadRecordError when it has no id, or its content is missing or was changed.
 */
export async function readUploadRecord(
  fields: RecordFields,
  dataDir: string,
): Promise<UploadRecord> {
  const id = fields.id('id')
  const content = await readContent(fields, dataDir)
  const originalName = fields.text('originalName') || id
  const repo = fields.object('repoMeta')
  return {
    id,
    title: [...originalName].slice(0, MAX_TITLE_LENGTH).join(''),
    originalName,
    source: fields.oneOf('source', SOURCES) ?? 'upload',
    sourcePath: fields.text('sourcePath') ?? null,
    repoLabel: fields.text('repoLabel') ?? null,
    repo: repo ?? null,
    workspaceRoot: fields.text('workspaceRoot') ?? null,
    storedAt: fields.time('storedAt'),
    metadata: { upload: fields.others(repo === undefined ? KNOWN : WITH_REPO) },
    content,
  }
}

async function readContent(fields: RecordFields, dataDir: string): Promise<ContentFile> {
  if (fields.value('contentSha256') === null) {
    throw new BadRecordError('content: there was none in the old process')
  }
  const sha256 = fields.text('contentSha256') ?? ''
  if (!/^[0-9a-f]{64}$/.test(sha256)) throw new BadRecordError('contentSha256: must be a SHA-256')
  const name = `${UPLOAD_CONTENTS}/${sha256}`
  const path = join(dataDir, UPLOAD_CONTENTS, sha256)
  const found = await sha256OfFile(path)
  if (found === undefined) throw new BadRecordError(`its content ${name} is not there`)
  if (found !== sha256) throw new BadRecordError(`its content ${name} was changed`)
  return { path, sha256, bytes: (await stat(path)).size }
}
