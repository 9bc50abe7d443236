import { randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { codeOfStatus, SessionDbError } from '../../errors.ts'
import { type AgentSession, identifyLog } from '../../server/uploads/agent-session.ts'
import { HEAD_BYTES, isPlainText, readLog } from '../../timeline/content.ts'
import { timelineParsers } from '../../timeline/parsers.ts'
import { fromWriteFailure, writeFailureSchema } from '../../writes/errors.ts'

/** The app's upload route, and how to sign in there. */
export interface UploadTarget {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly visibility: 'private' | 'tenant'
  readonly signal: AbortSignal
}

/** A log that was sent. */
export interface SentLog {
  /** The session that has the content: an earlier one when the log has grown. */
  readonly sessionId: string
  readonly bytes: number
  readonly status: string
}

const PART_BYTES = 4 * 1024 * 1024

/**
 * Sends a log to the upload route. The route recognises a log that has grown by the agent's session id,
 * which is read here.
 *
 * @param pendingId id of an upload of this file that was interrupted
 * @throws SessionDbError of the route; `unavailable` when it can't be reached.
 */
export async function sendLog(
  path: string,
  target: UploadTarget,
  pendingId: string = randomUUID(),
): Promise<SentLog> {
  const log = await openLog(path)
  try {
    const agentSession = await identify(log)
    const originalName = basename(path)
    const { visibility } = target
    const session = { id: pendingId, title: originalName, originalName, visibility }
    const created = await request(target, target.url, {
      method: 'POST',
      headers: {
        'upload-length': String(log.bytes),
        'upload-metadata': metadata({ session, 'agent-session': agentSession }),
      },
    })
    let { offset, status } = created
    const url = `${target.url}/${encodeURIComponent(created.sessionId)}`
    let sessionId = created.sessionId
    while (status !== 'failed' && offset < log.bytes) {
      const answer = await request(target, url, {
        method: 'PATCH',
        headers: {
          'content-type': 'application/offset+octet-stream',
          'upload-offset': String(offset),
        },
        body: await log.read(offset, Math.min(offset + PART_BYTES, log.bytes)),
      })
      ;({ offset, status, sessionId } = answer)
    }
    return { sessionId, bytes: log.bytes, status }
  } finally {
    await log.close()
  }
}

interface OpenLog {
  readonly bytes: number
  read(start: number, end: number): Promise<Uint8Array<ArrayBuffer>>
  close(): Promise<void>
}

/** Opens a log up to its last whole line. A compressed one is unpacked, so that its session is found. */
async function openLog(path: string): Promise<OpenLog> {
  const file = await open(path)
  const read = async (start: number, end: number) => {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(end - start), 0, end - start, start)
    return new Uint8Array(buffer.subarray(0, bytesRead))
  }
  if (!isPlainText(await read(0, HEAD_BYTES))) {
    await file.close()
    const chunks: Uint8Array[] = []
    for await (const bytes of readLog(createReadStream(path))) chunks.push(bytes)
    const all = new Uint8Array(Buffer.concat(chunks))
    return {
      bytes: all.length,
      read: async (start, end) => all.slice(start, end),
      close: async () => {},
    }
  }
  const { size } = await stat(path)
  const tailStart = Math.max(0, size - TAIL_BYTES)
  const end = path.endsWith('.jsonl') ? (await read(tailStart, size)).lastIndexOf(LF) + 1 : 0
  return { bytes: end === 0 ? size : tailStart + end, read, close: () => file.close() }
}

const LF = 10
/** The last line is looked for in these bytes. */
const TAIL_BYTES = 1024 * 1024

function identify(log: OpenLog): Promise<AgentSession | undefined> {
  async function* content(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < log.bytes; at += PART_BYTES) {
      yield await log.read(at, Math.min(at + PART_BYTES, log.bytes))
    }
  }
  return identifyLog(content(), timelineParsers)
}

function metadata(values: Readonly<Record<string, object | undefined>>): string {
  return Object.entries(values)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name} ${Buffer.from(JSON.stringify(value)).toString('base64')}`)
    .join(',')
}

interface Answer {
  readonly sessionId: string
  readonly offset: number
  readonly status: string
}

async function request(
  { headers, signal }: UploadTarget,
  url: string,
  init: RequestInit & { readonly headers: Record<string, string> },
): Promise<Answer> {
  const all = { 'tus-resumable': '1.0.0', ...headers, ...init.headers }
  const response = await fetch(url, { ...init, headers: all, signal }).catch((cause: unknown) => {
    if (signal.aborted) throw cause
    throw new SessionDbError('unavailable', `${url} cannot be reached. Check --url.`, { cause })
  })
  if (!response.ok) throw await failureOf(response)
  const sessionId = response.headers.get('session-id')
  const offset = Number(response.headers.get('upload-offset') ?? Number.NaN)
  const status = response.headers.get('session-status')
  if (sessionId === null || status === null || !Number.isSafeInteger(offset)) {
    const message = `The answer of ${url} is not that of an upload route. Check --url.`
    throw new SessionDbError('invalid', message)
  }
  return { sessionId: decodeURIComponent(sessionId), offset, status }
}

async function failureOf(response: Response): Promise<SessionDbError> {
  const failure = writeFailureSchema.safeParse(await response.json().catch(() => undefined))
  if (failure.success) return fromWriteFailure(failure.data)
  const { status } = response
  const code = codeOfStatus(status) ?? (status >= 500 ? 'unavailable' : 'invalid')
  return new SessionDbError(code, `The upload route answered ${status}. Check --url and --token.`)
}
