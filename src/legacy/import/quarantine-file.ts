import { type FileHandle, open, rename, rm } from 'node:fs/promises'

/** What is written beside a record: where it stood, by index or line, and why it is here. */
export interface QuarantineIssue {
  readonly file: string
  readonly index?: number
  readonly line?: number
  readonly id: string | null
  readonly reason: string
}

/** Where records go that could not be imported, as they stood in their file. */
export interface QuarantineFile {
  /** @param bytes what the file holds of the record. */
  add(issue: QuarantineIssue, bytes: Buffer): Promise<void>
  /** Puts the file in its place; nothing is there when no record was bad. */
  finish(): Promise<void>
  /** Removes what was written so far. */
  discard(): Promise<void>
}

/**
 * Opens a quarantine file: NDJSON, one line per record,
 * `{ file, index, id, reason, record }` (`line` instead of `index` for uploads), or `text` (`base64` where it is not UTF-8) instead of
 * `record` for what is not JSON. It appears under its name only when it is complete.
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
  // As it stands, so that numbers and repeated keys are kept; a line break is never part of a string.
  return `${head},"record":${text.replace(/\s*\r?\n\s*/g, ' ').trim()}}`
}
