// Uploads are in memory only: a restart loses them.
import { randomUUID } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { createCollection, localOnlyCollectionOptions } from '@tanstack/db'

export interface SessionUploadRecord {
  id: string
  originalName: string
  storedAt: string
  size: number
  url: string
  source: 'upload' | 'bundled' | 'external'
  sourcePath?: string
  lastModifiedMs: number
  lastModifiedIso: string
  origin?: string
}

interface StoredUpload extends SessionUploadRecord {
  content: string
  sourceUpdatedAt?: number
}

export const sessionUploadsCollection = createCollection(
  localOnlyCollectionOptions<StoredUpload, string>({
    id: 'session-uploads',
    getKey: (upload) => upload.id,
  }),
)

export function saveSessionUpload(originalName: string, content: string): SessionUploadRecord {
  return store({ originalName, content, source: 'upload', lastModifiedMs: Date.now() })
}

export function ensureSessionUploadForFile(file: {
  relativePath: string
  absolutePath: string
  source: 'bundled' | 'external'
}): SessionUploadRecord {
  const sourcePath = file.absolutePath
  const known = sessionUploadsCollection.toArray.find((row) => row.sourcePath === sourcePath)
  const { mtimeMs } = statSync(sourcePath)
  if (known) return known.sourceUpdatedAt === mtimeMs ? record(known) : refresh(known.id)
  return store({
    ...{ originalName: file.relativePath, source: file.source, sourcePath },
    ...{ lastModifiedMs: mtimeMs, sourceUpdatedAt: mtimeMs },
    content: readFileSync(sourcePath, 'utf8'),
  })
}

export function refreshSessionUploadFromSource(id: string): SessionUploadRecord | null {
  return sessionUploadsCollection.has(id) ? refresh(id) : null
}

export function listSessionUploadRecords(): SessionUploadRecord[] {
  return sessionUploadsCollection.toArray.map(record)
}

export function getSessionUploadContent(id: string): string | null {
  return sessionUploadsCollection.get(id)?.content ?? null
}

function refresh(id: string): SessionUploadRecord {
  sessionUploadsCollection.update(id, (upload) => {
    if (upload.sourcePath === undefined) return
    upload.content = readFileSync(upload.sourcePath, 'utf8')
    upload.size = Buffer.byteLength(upload.content)
    upload.sourceUpdatedAt = statSync(upload.sourcePath).mtimeMs
  })
  return record(sessionUploadsCollection.get(id) as StoredUpload)
}

function store(
  upload: Pick<StoredUpload, 'originalName' | 'content' | 'source' | 'lastModifiedMs'> &
    Partial<StoredUpload>,
): SessionUploadRecord {
  const id = randomUUID()
  sessionUploadsCollection.insert({
    ...upload,
    ...{ id, url: `/api/uploads/${id}`, size: Buffer.byteLength(upload.content) },
    storedAt: new Date().toISOString(),
    lastModifiedIso: new Date(upload.lastModifiedMs).toISOString(),
  })
  return record(sessionUploadsCollection.get(id) as StoredUpload)
}

function record({ content: _, sourceUpdatedAt: __, ...rest }: StoredUpload): SessionUploadRecord {
  return rest
}
