import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod/mini'
import { SessionDbError } from '../../errors.ts'
import { problemIn, validate } from '../../schema/validate.ts'
import { sha256OfFile } from '../content-files.ts'

export const MANIFEST_FILE = 'manifest.json'

const manifestSchema = z.object({
  format: z.literal('session-db-export'),
  version: z.literal(1),
  tenantId: z.string(),
  /** Null for an export of the whole tenant. */
  userId: z.nullable(z.string()),
  files: z.array(
    z.object({
      name: z.string().check(z.regex(/^[a-z-]+\.ndjson$/)),
      rows: z.int(),
      bytes: z.int(),
      sha256: z.string(),
    }),
  ),
  contents: z.array(
    z.object({
      sha256: z.string().check(z.regex(/^[0-9a-f]{64}$/)),
      bytes: z.int(),
      scheme: z.string(),
    }),
  ),
})

/** The contents of an export. Equal rows give an equal manifest. */
export type ExportManifest = z.output<typeof manifestSchema>

/**
 * Reads the manifest of an export.
 *
 * @returns undefined when the directory has none and is not an export.
 * @throws SessionDbError `invalid` when the manifest has another form or version.
 */
export async function readManifest(directory: string): Promise<ExportManifest | undefined> {
  const path = join(directory, MANIFEST_FILE)
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
    throw error
  })
  if (text === undefined) return undefined
  const parsed = validate(manifestSchema, parseJson(text))
  if (parsed.success) return parsed.data
  throw new SessionDbError(
    'invalid',
    `${path} is not a manifest that this version can read ` +
      `(${problemIn(parsed.error, 'the file')}). Nothing was imported.`,
  )
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/**
 * Verifies the hashes of an export's files.
 *
 * @throws SessionDbError `invalid`, naming a file that is missing or was changed.
 */
export async function verifyFiles(directory: string, manifest: ExportManifest): Promise<void> {
  for (const { name, sha256 } of manifest.files) {
    const path = join(directory, name)
    const found = await sha256OfFile(path)
    if (found === sha256) continue
    throw new SessionDbError(
      'invalid',
      `${path} ${found === undefined ? 'is missing' : 'was changed since it was exported'}. ` +
        'Nothing was imported. Use an unchanged copy of the export.',
    )
  }
}
