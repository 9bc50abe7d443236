import { createHash } from 'node:crypto'
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { SessionDbError } from '../../../writes/errors.ts'
import { chunkBytes } from './chunks.ts'
import type { ByteRange, ContentKey, ContentSource, ContentStore } from './content-store.ts'

/** Options of `createS3ContentStore`. */
export interface S3ContentStoreOptions {
  /** The app's client, configured with region, endpoint and credentials. */
  readonly client: S3Client
  readonly bucket: string
  /** Prefix of every key. Default: `session-contents/`. */
  readonly prefix?: string
  /** Name of the store in `content_ref`; each bucket needs its own. Default: `s3`. */
  readonly scheme?: string
}

/** Larger contents are uploaded in parts of this many bytes; S3 accepts up to 10,000 parts. */
const PART_BYTES = 8 * 1024 * 1024

/**
 * Creates a content store in an S3-compatible service. It holds one part (8 MiB) in memory at a time.
 * Each tenant's keys are below a hash of the tenant's id.
 *
 * @example
 * const contents = createS3ContentStore({ client: new S3Client({ region }), bucket: 'sessions' })
 * const store = createSessionStore({ database, contents })
 */
export function createS3ContentStore(options: S3ContentStoreOptions): ContentStore {
  const { client, bucket: Bucket, prefix = 'session-contents/', scheme = 's3' } = options
  const place = ({ tenantId, sha256 }: ContentKey) => {
    const tenant = createHash('sha256').update(tenantId).digest('hex').slice(0, 32)
    return { Bucket, Key: `${prefix}${tenant}/${sha256}` }
  }

  async function stat(key: ContentKey): Promise<{ readonly bytes: number } | undefined> {
    try {
      const { ContentLength } = await client.send(new HeadObjectCommand(place(key)))
      return { bytes: ContentLength ?? 0 }
    } catch (error) {
      if (isMissing(error)) return undefined
      throw unavailable(error)
    }
  }

  async function putWhole(key: ContentKey, content: ContentSource): Promise<void> {
    const parts: Uint8Array[] = []
    for await (const bytes of checked(content)) parts.push(bytes)
    await client.send(new PutObjectCommand({ ...place(key), Body: Buffer.concat(parts) }))
  }

  async function putInParts(key: ContentKey, content: ContentSource): Promise<void> {
    const target = place(key)
    const { UploadId } = await client.send(new CreateMultipartUploadCommand(target))
    const upload = { ...target, UploadId }
    try {
      const Parts: { ETag: string | undefined; PartNumber: number }[] = []
      for await (const Body of chunkBytes(checked(content), PART_BYTES)) {
        const PartNumber = Parts.length + 1
        const command = new UploadPartCommand({ ...upload, PartNumber, Body })
        Parts.push({ PartNumber, ETag: (await client.send(command)).ETag })
      }
      await client.send(
        new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts } }),
      )
    } catch (error) {
      // Best effort: a lifecycle rule of the bucket should remove incomplete uploads.
      await client.send(new AbortMultipartUploadCommand(upload)).catch(() => undefined)
      throw error
    }
  }

  return {
    scheme,
    stat,
    async put(key, content) {
      if ((await stat(key)) !== undefined) return
      try {
        await (content.bytes <= PART_BYTES ? putWhole(key, content) : putInParts(key, content))
      } catch (error) {
        throw unavailable(error)
      }
    },
    async *get(key, { start = 0, end }: ByteRange = {}) {
      if (end !== undefined && end <= start) return
      const Range = start === 0 && end === undefined ? {} : { Range: rangeHeader(start, end) }
      const body = (await open(client, { ...place(key), ...Range })) ?? []
      yield* end === undefined ? body : firstBytes(body, end - start)
    },
    async delete(key) {
      try {
        await client.send(new DeleteObjectCommand(place(key)))
      } catch (error) {
        if (!isMissing(error)) throw unavailable(error)
      }
    },
  }
}

async function open(
  client: S3Client,
  input: { readonly Bucket: string; readonly Key: string; readonly Range?: string },
): Promise<AsyncIterable<Uint8Array> | undefined> {
  try {
    const { Body } = await client.send(new GetObjectCommand(input))
    return Body as AsyncIterable<Uint8Array> | undefined
  } catch (error) {
    const name = nameOf(error)
    // The range starts at or after the end: there is nothing to read.
    if (name === 'InvalidRange') return undefined
    if (!isMissing(error)) throw unavailable(error)
    throw new SessionDbError('not_found', 'The content does not exist or has just been deleted.')
  }
}

function rangeHeader(start: number, end: number | undefined): string {
  return `bytes=${start}-${end === undefined ? '' : end - 1}`
}

/** Some S3-compatible services answer `bytes=0-0` with the whole object. */
async function* firstBytes(
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  count: number,
): AsyncGenerator<Uint8Array> {
  let missing = count
  for await (const bytes of body) {
    yield bytes.subarray(0, missing)
    missing -= bytes.byteLength
    if (missing <= 0) return
  }
}

/** Fails unless the source has the announced length, so that no other bytes are stored under its hash. */
async function* checked({ bytes, read }: ContentSource): AsyncGenerator<Uint8Array> {
  let missing = bytes
  for await (const part of read()) {
    missing -= part.byteLength
    yield part
  }
  if (missing !== 0)
    throw new Error(`Expected a content of ${bytes} bytes, but the source has ${bytes - missing}.`)
}

function isMissing(error: unknown): boolean {
  return nameOf(error) === 'NotFound' || nameOf(error) === 'NoSuchKey'
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : ''
}

function unavailable(cause: unknown): SessionDbError {
  const reason = cause instanceof Error ? cause.message || cause.name : String(cause)
  return new SessionDbError(
    'unavailable',
    `The content store failed (${reason}). Try again later.`,
    {
      cause,
    },
  )
}
