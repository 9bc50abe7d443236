import { type FileHandle, open, rename, rm } from 'node:fs/promises'

/** Why a record is in the quarantine, and where it stood: by `index` or, for uploads, by `line`. */
export interface QuarantineIssue {
  readonly file: string
  readonly index?: number
  readonly line?: number
  readonly id: string | null
  readonly reason: string
}

/** A file for records that could not be imported, unchanged. */
export interface QuarantineFile {
  /** @param bytes the record as it is in its file */
  add(issue: QuarantineIssue, bytes: Buffer): Promise<void>
  /** Moves the file to its path; without bad records there is no file. */
  finish(): Promise<void>
  /** Removes an unfinished file. */
  discard(): Promise<void>
}

/**
 * Opens a quarantine file: NDJSON with one line per record, `{ file, index, id, reason, record }`. What
 * is not valid JSON is stored as `text` instead of `record`, and as `base64` if it is not UTF-8. The
 * file appears at `path` only when it is complete.
 */
export function createQuarantineFile(path: string): QuarantineFile {
  const unfinished = `${path}.unfinished`
  let file: FileHandle | undefined
  return {
    async add(issue, bytes) {
      file ??= await open(unfinished, 'w')
      await file.write(`${quarantineLine(issue, bytes)}\n`)
    },
    async finish() {
      if (file === undefined) return
      await file.sync()
      await file.close()
      file = undefined
      await rename(unfinished, path)
    },
    async discard() {
      if (file === undefined) return
      await file.close()
      file = undefined
      await rm(unfinished, { force: true })
    },
  }
}

function quarantineLine(issue: QuarantineIssue, bytes: Buffer): string {
  const head = JSON.stringify(issue).slice(0, -1)
  const text = bytes.toString('utf8')
  if (!Buffer.from(text).equals(bytes)) return `${head},"base64":"${bytes.toString('base64')}"}`
  try {
    JSON.parse(text)
  } catch {
    return `${head},"text":${JSON.stringify(text)}}`
  }
  // Copied, not re-serialised: that keeps large numbers and repeated keys. Strings contain no line breaks.
  return `${head},"record":${text.replace(/\s*\r?\n\s*/g, ' ').trim()}}`
}
