import type { ChatMessage } from '../schema/chat-message.ts'
import { isJsonObject, isSameJson, type JsonObject, type JsonValue } from '../schema/fields.ts'
import { streamStateOf, toUIMessage } from '../schema/streamed-message.ts'
import { storableObject } from './storable.ts'

/** A `ThreadMessage` of assistant-ui, as far as its storage is concerned. */
export interface AssistantMessage {
  readonly id: string
  readonly role: 'system' | 'user' | 'assistant'
  readonly createdAt: Date
  readonly content: readonly { readonly type: string }[]
  readonly status?: { readonly type: string }
  readonly attachments?: readonly object[]
  readonly metadata: { readonly custom: Record<string, unknown> }
}

/** The columns of a row that hold an assistant-ui message. */
export type StoredMessage = Pick<ChatMessage, 'role' | 'content' | 'parts' | 'status' | 'metadata'>

/**
 * The property of a part, and of a message's metadata, that has what the AI SDK's form has no place for. Models and
 * other windows read the rest.
 */
const EXTRA = 'assistantUi'
const OTHER = 'data-assistant-ui'

/** Converts a message of assistant-ui to AI SDK parts, so that models and other windows can read it. */
export function fromAssistantMessage(message: AssistantMessage): StoredMessage {
  const { role, content, status, attachments = [], metadata } = message
  const { custom, ...rest } = metadata
  const files = attachments.map((attachment) => json(attachment))
  const parts = [
    ...content.map((part) => toStored(json(part))),
    ...files.flatMap(({ content }, attachment) =>
      asParts(content).map((part) => withExtra(toStored(part), { attachment })),
    ),
  ]
  const extra = json({
    ...(status && !isPlain(status) && { status }),
    ...(attachments.length > 0 && {
      attachments: files.map(({ content: _, file: __, ...f }) => f),
    }),
    ...given(json(rest)),
  })
  return {
    role,
    ...withContent(parts),
    status: status?.type === 'incomplete' ? 'error' : 'complete',
    metadata: { ...json(custom), ...(Object.keys(extra).length > 0 && { [EXTRA]: extra }) },
  }
}

/** Converts a stored message to assistant-ui's form. Messages that it has not written itself are converted too. */
export function toAssistantMessage(row: ChatMessage): AssistantMessage {
  const { id, role, parts, metadata } = toUIMessage(row)
  const { [EXTRA]: stored, stream: _, ...custom } = metadata
  const { status, attachments, ...rest } = objectOf(stored)
  const shown = asParts(parts).flatMap((part) => {
    const { attachment } = objectOf(part[EXTRA])
    return fromStored(part).map((content) => ({ content, attachment }))
  })
  const base = { id, role, createdAt: row.createdAt, metadata: { ...rest, custom } }
  const content = shown.flatMap(({ attachment, content }) =>
    attachment === undefined ? [content] : [],
  )
  if (role === 'assistant') {
    const empty = { unstable_state: null, unstable_annotations: [], unstable_data: [], steps: [] }
    return {
      ...base,
      content,
      status: isJsonObject(status) ? (status as { type: string }) : statusOf(row),
      metadata: { ...empty, ...base.metadata },
    }
  }
  if (role === 'system') {
    const text = content.find(({ type }) => type === 'text') ?? { type: 'text', text: '' }
    return { ...base, content: [text] }
  }
  const files = asParts(attachments).map((file, index) => ({
    ...file,
    content: shown.flatMap(({ attachment, content }) => (attachment === index ? [content] : [])),
  }))
  return { ...base, content, attachments: files }
}

/** Returns the columns of parts. A message of nothing but text needs no parts. */
export function withContent(
  parts: readonly JsonObject[],
): Pick<StoredMessage, 'content' | 'parts'> {
  const texts = parts.flatMap(({ type, text }) => (type === 'text' ? [String(text)] : []))
  const isText =
    parts.length === 1 && texts.length === 1 && Object.keys(parts[0] ?? {}).length === 2
  return { content: texts.join(''), parts: isText ? [] : parts }
}

type Part = JsonObject & { readonly type: string }

/** Converts a part, and notes what is lost on the way back. */
function toStored(part: JsonObject): Part {
  const stored = convert(part)
  const back: JsonObject = fromStored(stored)[0] ?? {}
  const lost = Object.entries(part).filter(([key, value]) => !isSameJson(value, back[key]))
  return withExtra(stored, Object.fromEntries(lost))
}

function withExtra(part: Part, extra: JsonObject): Part {
  const all = { ...objectOf(part[EXTRA]), ...extra }
  return Object.keys(all).length === 0 ? part : { ...part, [EXTRA]: all }
}

function convert(part: JsonObject): Part {
  const { type, text, providerMetadata, filename, data, name } = part
  const provider = providerMetadata === undefined ? {} : { providerMetadata }
  const file = { ...(filename !== undefined && { filename }), ...provider }
  switch (type) {
    case 'text':
    case 'reasoning':
      return { type, text: text ?? '', ...provider }
    case 'image': {
      const url = String(part.image)
      const [, mediaType = 'image/*'] = /^data:([^;,]+)/.exec(url) ?? []
      return { type: 'file', mediaType, url, ...file }
    }
    case 'file': {
      const { mimeType = 'application/octet-stream', sourceType } = part
      const [isUrl, mediaType] = [/^(data:|https?:|\/)/.test(String(data)), String(mimeType)]
      const url = isUrl || sourceType === 'url' ? String(data) : `data:${mediaType};base64,${data}`
      const extra = {
        ...(url !== data && { isBase64: true }),
        ...(mediaType.startsWith('image/') && { type: 'file' }),
      }
      return withExtra({ type: 'file', mediaType, url, ...file }, extra)
    }
    case 'source': {
      const { id: sourceId = '', url, title, mediaType = '' } = part
      const rest = { ...(title !== undefined && { title }), ...file }
      return part.sourceType === 'url'
        ? { type: 'source-url', sourceId, url: url ?? '', ...rest }
        : { type: 'source-document', sourceId, mediaType, ...rest }
    }
    case 'tool-call':
      return convertCall(part)
    case 'data':
      if (typeof name === 'string' && name !== '')
        return { type: `data-${name}`, data: data ?? null }
      break
  }
  return { type: OTHER, data: part }
}

function convertCall({
  toolCallId,
  toolName,
  args,
  result,
  isError,
  approval,
  ...part
}: JsonObject): Part {
  const call = {
    type: `tool-${toolName}`,
    toolCallId: toolCallId ?? '',
    input: args ?? {},
    ...(part.providerMetadata !== undefined && { callProviderMetadata: part.providerMetadata }),
    ...(approval !== undefined && { approval }),
  }
  if (result !== undefined) {
    return isError === true
      ? { ...call, state: 'output-error', errorText: textOf(result) }
      : { ...call, state: 'output-available', output: result }
  }
  const { approved } = objectOf(approval)
  const waiting = approved === undefined ? 'approval-requested' : 'approval-responded'
  return { ...call, state: approval === undefined ? 'input-available' : waiting }
}

/** Converts an AI SDK part to a part of assistant-ui; none for those it has no form for. */
function fromStored(part: Part): Part[] {
  const { [EXTRA]: extra, ...stored } = part
  const { attachment: _, isBase64, ...own } = objectOf(extra)
  const isFile = own.type === 'file'
  const back = revert(stored as Part, isFile, isBase64 === true)
  return back === undefined ? [] : [{ ...back, ...own } as Part]
}

function revert(part: Part, isFile: boolean, isBase64: boolean): Part | undefined {
  const { type, text, providerMetadata, sourceId, mediaType = '', url = '' } = part
  const provider = providerMetadata === undefined ? {} : { providerMetadata }
  const file = { ...(part.filename !== undefined && { filename: part.filename }), ...provider }
  const title = part.title === undefined ? {} : { title: part.title }
  if (type === 'text' || type === 'reasoning') return { type, text: text ?? '', ...provider }
  if (type === 'source-url') {
    return { type: 'source', sourceType: 'url', id: sourceId ?? '', url, ...title, ...provider }
  }
  if (type === 'source-document') {
    const id = sourceId ?? ''
    return { type: 'source', sourceType: 'document', id, mediaType, ...title, ...file }
  }
  if (type === 'file') {
    if (!isFile && String(mediaType).startsWith('image/'))
      return { type: 'image', image: url, ...file }
    const isReference = !isBase64 && !/^(data|https?):/.test(String(url))
    const data = isBase64 ? String(url).slice(String(url).indexOf(',') + 1) : url
    return { type, data, mimeType: mediaType, ...(isReference && { sourceType: 'url' }), ...file }
  }
  if (type === 'dynamic-tool' || type.startsWith('tool-')) return revertCall(part)
  if (type === OTHER && isJsonObject(part.data)) return part.data as Part
  if (type.startsWith('data-'))
    return { type: 'data', name: type.slice(5), data: part.data ?? null }
  return undefined
}

function revertCall({ type, toolName, toolCallId, input, state, approval, ...part }: Part): Part {
  const given = input ?? part.rawInput ?? {}
  const isError = state === 'output-error'
  const output = isError ? (part.errorText ?? '') : part.output
  return {
    type: 'tool-call',
    toolCallId: toolCallId ?? '',
    toolName: type === 'dynamic-tool' ? (toolName ?? '') : type.slice('tool-'.length),
    args: isJsonObject(given) ? given : {},
    argsText: JSON.stringify(given),
    ...(output !== undefined && { result: output }),
    ...(isError && { isError }),
    ...(part.callProviderMetadata !== undefined && { providerMetadata: part.callProviderMetadata }),
    ...(isJsonObject(approval) && { approval }),
  }
}

/** The status of an answer that assistant-ui has not written itself. */
function statusOf({ status, metadata }: ChatMessage): { readonly type: string } {
  if (status === 'complete') return { type: 'complete', reason: 'stop' } as { type: string }
  const { error } = streamStateOf(metadata)
  const reason = error?.code === 'aborted' ? 'cancelled' : 'error'
  return { type: 'incomplete', reason, ...(error && { error: error.message }) } as { type: string }
}

/** Leaves out what every message has. */
function given(metadata: JsonObject): JsonObject {
  const entries = Object.entries(metadata).filter(
    ([, value]) => value !== null && !(Array.isArray(value) && value.length === 0),
  )
  return Object.fromEntries(entries)
}

function isPlain(status: { readonly type: string; readonly reason?: unknown }): boolean {
  return status.type === 'complete' && status.reason === 'stop'
}

const json = (value: object): JsonObject => storableObject(value, () => {})

function objectOf(value: JsonValue | undefined): JsonObject {
  return isJsonObject(value) ? value : {}
}

function asParts(value: JsonValue | undefined): Part[] {
  const items = Array.isArray(value) ? (value as readonly JsonValue[]) : []
  return items.filter((item): item is Part => isJsonObject(item) && typeof item.type === 'string')
}

function textOf(value: JsonValue): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
