import type { JsonObject } from '../schema/fields.ts'
import type { StreamError } from '../schema/streamed-message.ts'
import { parsePartialJson } from './partial-json.ts'
import { withoutOmission } from './shorten-output.ts'

/** The stream that the AI SDK's `toUIMessageStream()` returns. Chunks of unknown types are ignored. */
export type UIMessageChunks = AsyncIterable<{ readonly type: string }>

/** A part of the message, with its index in edits; undefined for text that isn't a part yet. */
export interface PartSlot {
  readonly at: number | undefined
  readonly part: JsonObject
}

/** The message that chunks are written to. */
export interface PartsTarget {
  /** The parts at the beginning. */
  readonly slots: readonly PartSlot[]
  /** The index of the next new part. */
  readonly next: number
  /** The message's metadata at the beginning. */
  readonly metadata: JsonObject
  edit(at: number, edit: { readonly set?: object; readonly merge?: object }): void
  addText(at: number, delta: string): void
  finish(metadata: object): Promise<unknown>
  fail(reason: string | StreamError, metadata: object): Promise<void>
}

type Chunk = { readonly [key: string]: unknown; readonly type: string }

/** Writes the chunks of an AI SDK stream to a message as they come, and ends it as they end. */
export async function pipeUIMessageStream(
  chunks: UIMessageChunks,
  target: PartsTarget,
): Promise<void> {
  const reducer = createPartsReducer(target)
  try {
    for await (const chunk of chunks) {
      const problem = reducer.take(chunk as Chunk)
      if (problem === undefined) continue
      await target.fail(problem, reducer.metadata())
      return
    }
  } catch (error) {
    // Readers get a general reason: the error's own message is for the caller.
    await target.fail('The answer could not be completed.', reducer.metadata())
    throw error
  }
  reducer.settleInputs()
  await target.finish(reducer.metadata())
}

/** A part as the AI SDK builds it, property by property. `undefined` means that a property is absent. */
type Part = { [key: string]: unknown; type: string }

interface Slot {
  readonly at: number | undefined
  part: Part
}

interface PartialCall {
  text: string
  /** The length of the text when the part was last written. */
  written: number
  readonly chunk: Chunk
}

/**
 * Applies chunks as `readUIMessageStream` of the AI SDK (6 and 7) does, and writes each change as an edit. A
 * property test compares the two.
 */
function createPartsReducer(target: PartsTarget) {
  const slots: Slot[] = target.slots.map(({ at, part }) => ({ at, part: part as Part }))
  let next = target.next
  let metadata: object = target.metadata
  let texts = new Map<string, Slot>()
  let reasonings = new Map<string, Slot>()
  let partialCalls = new Map<string, PartialCall>()
  restorePartialCalls()

  function push(part: Part): Slot {
    const slot = { at: next, part }
    next += 1
    slots.push(slot)
    target.edit(slot.at, { set: part })
    return slot
  }

  function set(slot: Slot, part: Part): void {
    slot.part = part
    if (slot.at !== undefined) target.edit(slot.at, { set: part })
  }

  function merge(slot: Slot, changes: object): void {
    slot.part = { ...slot.part, ...changes }
    if (slot.at !== undefined) target.edit(slot.at, { merge: changes })
  }

  function currentStep(): Slot[] {
    return slots.slice(slots.findLastIndex(({ part }) => part.type === 'step-start') + 1)
  }

  function restorePartialCalls(): void {
    for (const { part } of currentStep()) {
      if (!isTool(part) || part.state !== 'input-streaming') continue
      const text = typeof part.rawInput === 'string' ? part.rawInput : ''
      const { toolCallId, inputEncoding, title, toolMetadata } = part
      const [toolName, dynamic] = [toolNameOf(part), part.type === 'dynamic-tool']
      const chunk = { type: 'tool-input-start', toolCallId, toolName, dynamic, title, toolMetadata }
      partialCalls.set(String(toolCallId), {
        text,
        written: text.length,
        chunk: { ...chunk, inputEncoding },
      })
    }
  }

  function begin(active: Map<string, Slot>, chunk: Chunk, part: Part): void {
    const { providerMetadata } = chunk
    active.set(String(chunk.id), push({ ...part, text: '', providerMetadata, state: 'streaming' }))
  }

  function grow(active: Map<string, Slot>, chunk: Chunk): Problem | undefined {
    const slot = active.get(String(chunk.id))
    if (slot === undefined) return missing(chunk, chunk.id)
    if (slot.at !== undefined) target.addText(slot.at, String(chunk.delta))
    if (chunk.providerMetadata != null) merge(slot, pick(chunk, ['providerMetadata']))
    return undefined
  }

  function close(active: Map<string, Slot>, chunk: Chunk): Problem | undefined {
    const slot = active.get(String(chunk.id))
    if (slot === undefined) return missing(chunk, chunk.id)
    active.delete(String(chunk.id))
    const more =
      chunk.type === 'text-end' ? ['providerMetadata', 'citations'] : ['providerMetadata']
    merge(slot, { state: 'done', ...pickSome(chunk, more) })
    return undefined
  }

  function setTool(options: ToolOptions, existing?: Slot): void {
    const isSame = ({ part }: Slot) =>
      part.toolCallId === options.toolCallId &&
      (options.dynamic ? part.type === 'dynamic-tool' : isStaticTool(part))
    const slot = existing ?? currentStep().find(isSame)
    if (slot === undefined) push(newTool(options))
    else set(slot, updatedTool(slot.part, options))
  }

  function callOf(toolCallId: unknown): Slot | undefined {
    const isCall = ({ part }: Slot) => isTool(part) && part.toolCallId === toolCallId
    return currentStep().find(isCall) ?? slots.findLast(isCall)
  }

  /** Applies a chunk to the call it belongs to. */
  function changeCall(chunk: Chunk, change: (slot: Slot) => void): Problem | undefined {
    const slot = callOf(chunk.toolCallId)
    if (slot === undefined) return missing(chunk, chunk.toolCallId)
    change(slot)
    return undefined
  }

  function startInput(chunk: Chunk): void {
    partialCalls.set(String(chunk.toolCallId), { text: '', written: 0, chunk })
    const given = ['inputEncoding', 'providerExecuted', 'title', 'toolMetadata', 'providerMetadata']
    setTool({ ...callFields(chunk), state: 'input-streaming', ...pick(chunk, given) })
  }

  function growInput(chunk: Chunk): Problem | undefined {
    const call = partialCalls.get(String(chunk.toolCallId))
    if (call === undefined) return missing(chunk, chunk.toolCallId)
    call.text += String(chunk.inputTextDelta)
    // Every write holds the whole input, so it is written when it has grown by a half: O(n) bytes in all.
    if (call.text.length >= call.written * 1.5) writeInput(call)
    return undefined
  }

  function writeInput(call: PartialCall): void {
    const { text, chunk } = call
    call.written = text.length
    const isText = chunk.inputEncoding === 'text'
    setTool({
      ...callFields(chunk),
      state: 'input-streaming',
      input: isText ? text : parsePartialJson(text),
      rawInput: text,
      ...pick(chunk, ['inputEncoding', 'title', 'toolMetadata']),
    })
  }

  /** Writes the inputs that have grown since they were last written. */
  function settleInputs(): void {
    for (const call of partialCalls.values()) {
      const state = callOf(call.chunk.toolCallId)?.part.state
      if (call.text.length > call.written && state === 'input-streaming') writeInput(call)
    }
  }

  function failInput(chunk: Chunk): void {
    const existing = currentStep().find(
      ({ part }) => isTool(part) && part.toolCallId === chunk.toolCallId,
    )
    const dynamic = existing ? existing.part.type === 'dynamic-tool' : Boolean(chunk.dynamic)
    const given = ['input', 'errorText', 'providerExecuted', 'providerMetadata', 'toolMetadata']
    setTool({ ...callFields(chunk), dynamic, state: 'output-error', ...pick(chunk, given) })
  }

  function setOutput(chunk: Chunk, slot: Slot, state: string): void {
    const { part } = slot
    const isStaticError = state === 'output-error' && part.type !== 'dynamic-tool'
    const given = ['output', 'errorText', 'preliminary', 'providerExecuted', 'providerMetadata']
    setTool(
      {
        toolCallId: chunk.toolCallId,
        toolName: toolNameOf(part),
        dynamic: part.type === 'dynamic-tool',
        state,
        input: part.input,
        title: part.title,
        ...(isStaticError && { rawInput: part.rawInput }),
        ...pick(chunk, given),
        toolMetadata: chunk.toolMetadata ?? part.toolMetadata,
      },
      slot,
    )
  }

  function requestApproval(chunk: Chunk, slot: Slot): void {
    const { approvalId: id, approvalDescriptor: descriptor, reason: requestReason } = chunk
    const approval = {
      id,
      ...(descriptor != null && { descriptor }),
      ...(Object.hasOwn(chunk, 'inputSchemaInput') && pick(chunk, ['inputSchemaInput'])),
      ...(requestReason != null && { requestReason }),
      ...(chunk.isAutomatic === true && { isAutomatic: true }),
      ...(chunk.signature != null && { signature: chunk.signature }),
    }
    set(slot, { ...slot.part, state: 'approval-requested', approval })
  }

  function respondToApproval(chunk: Chunk): Problem | undefined {
    const { approvalId: id, approved, reason, providerExecuted, providerMetadata } = chunk
    const slot = slots.find(({ part }) => isTool(part) && approvalOf(part)?.id === id)
    if (slot === undefined) return missing(chunk, id)
    const approval = { ...approvalOf(slot.part), id, approved, ...(reason != null && { reason }) }
    set(slot, {
      ...slot.part,
      state: 'approval-responded',
      approval,
      ...(providerExecuted != null && { providerExecuted }),
      ...(providerMetadata != null && { callProviderMetadata: providerMetadata }),
    })
    return undefined
  }

  function resetStep(): void {
    for (const { at } of currentStep()) if (at !== undefined) target.edit(at, { set: {} })
    slots.splice(slots.length - currentStep().length)
    texts = new Map()
    reasonings = new Map()
    partialCalls = new Map()
  }

  function setData(chunk: Chunk): void {
    if (chunk.transient) return
    const same =
      chunk.id == null
        ? undefined
        : slots.find(({ part }) => part.type === chunk.type && part.id === chunk.id)
    if (same) set(same, { ...same.part, data: chunk.data })
    else push({ ...chunk })
  }

  function addMetadata(chunk: Chunk): void {
    if (chunk.messageMetadata != null) metadata = mergeObjects(metadata, chunk.messageMetadata)
  }

  function take(chunk: Chunk): Problem | undefined {
    switch (chunk.type) {
      case 'text-start':
        return void begin(texts, chunk, { type: 'text' })
      case 'text-delta':
        return grow(texts, chunk)
      case 'text-end':
        return close(texts, chunk)
      case 'reasoning-start':
        return void begin(reasonings, chunk, { type: 'reasoning', id: chunk.id })
      case 'reasoning-delta':
        return grow(reasonings, chunk)
      case 'reasoning-end':
        return close(reasonings, chunk)
      case 'custom':
        return void push(copy(chunk, ['kind', 'providerMetadata']))
      case 'file':
      case 'reasoning-file':
        return void push({
          ...copy(chunk, ['mediaType', 'url']),
          ...pickSome(chunk, ['providerMetadata']),
        })
      case 'source-url':
        return void push(copy(chunk, ['sourceId', 'url', 'title', 'providerMetadata']))
      case 'source-document':
        return void push(
          copy(chunk, ['sourceId', 'mediaType', 'title', 'filename', 'providerMetadata']),
        )
      case 'steering-message':
        return void push(copy(chunk, ['id', 'parts']))
      case 'tool-input-start':
        return void startInput(chunk)
      case 'tool-input-delta':
        return growInput(chunk)
      case 'tool-input-available': {
        const given = ['input', 'providerExecuted', 'providerMetadata', 'title', 'toolMetadata']
        return void setTool({
          ...callFields(chunk),
          state: 'input-available',
          ...pick(chunk, given),
        })
      }
      case 'tool-input-error':
        return void failInput(chunk)
      case 'tool-approval-request':
        return changeCall(chunk, (slot) => requestApproval(chunk, slot))
      case 'tool-approval-response':
        return respondToApproval(chunk)
      case 'tool-output-denied':
        return changeCall(chunk, (slot) => set(slot, { ...slot.part, state: 'output-denied' }))
      case 'tool-output-available':
        return changeCall(chunk, (slot) => setOutput(chunk, slot, 'output-available'))
      case 'tool-output-error':
        return changeCall(chunk, (slot) => setOutput(chunk, slot, 'output-error'))
      case 'start-step':
        return void push({ type: 'step-start' })
      case 'reset-step':
        return void resetStep()
      case 'start':
      case 'finish':
      case 'message-metadata':
        return void addMetadata(chunk)
      case 'error':
        return String(chunk.errorText)
      case 'abort':
        return { code: 'aborted', message: 'The answer was stopped.' }
      default:
        return chunk.type.startsWith('data-') ? void setData(chunk) : undefined
    }
  }

  return {
    /** Applies a chunk. Returns the reason if the message must fail. */
    take(chunk: Chunk): Problem | undefined {
      // An input that is written after the next step has started would be taken for a call of that step.
      const isSettling = chunk.type.startsWith('tool-') || chunk.type === 'start-step'
      if (isSettling && chunk.type !== 'tool-input-delta') settleInputs()
      const problem = take(chunk)
      if (problem !== undefined) settleInputs()
      return problem
    },
    metadata: () => metadata,
    settleInputs,
  }
}

type Problem = string | StreamError

interface ToolOptions {
  readonly toolCallId: unknown
  readonly toolName: unknown
  readonly dynamic: boolean
  readonly state: string
  readonly [key: string]: unknown
}

function callFields({ toolCallId, toolName, dynamic }: Chunk) {
  return { toolCallId, toolName, dynamic: Boolean(dynamic) }
}

/** The properties that a chunk replaces in a tool's part; those it lacks become absent. */
const REPLACED = ['input', 'output', 'errorText', 'rawInput', 'inputEncoding', 'preliminary']

function newTool(options: ToolOptions): Part {
  const { toolCallId, toolName, dynamic, state } = options
  return {
    ...(dynamic ? { type: 'dynamic-tool', toolName } : { type: `tool-${toolName}` }),
    toolCallId,
    state,
    ...pick(options, ['title', 'toolMetadata', 'providerExecuted']),
    // The SDK does not store the raw input of a new dynamic tool.
    ...pick(options, dynamic ? REPLACED.filter((key) => key !== 'rawInput') : REPLACED),
    ...metadataOfTool(options),
  }
}

function updatedTool(part: Part, options: ToolOptions): Part {
  const { toolName, dynamic, state } = options
  const { title, toolMetadata, providerExecuted } = options
  const kept = Object.entries(withoutOmission(part as JsonObject)).filter(
    ([key]) => !REPLACED.includes(key),
  )
  return {
    ...Object.fromEntries(kept),
    ...(dynamic ? { type: 'dynamic-tool', toolName } : { type: `tool-${toolName}` }),
    state,
    ...pick(options, REPLACED),
    ...(title !== undefined && { title }),
    ...(toolMetadata !== undefined && { toolMetadata }),
    ...(providerExecuted != null && { providerExecuted }),
    ...metadataOfTool(options),
  }
}

function metadataOfTool({ state, providerMetadata }: ToolOptions): object {
  if (providerMetadata == null) return {}
  const isResult = state === 'output-available' || state === 'output-error'
  return isResult
    ? { resultProviderMetadata: providerMetadata }
    : { callProviderMetadata: providerMetadata }
}

function approvalOf(part: Part): { readonly id?: unknown } | undefined {
  return part.approval as { readonly id?: unknown } | undefined
}

function isStaticTool(part: Part): boolean {
  return part.type.startsWith('tool-')
}

function isTool(part: Part): boolean {
  return isStaticTool(part) || part.type === 'dynamic-tool'
}

function toolNameOf(part: Part): unknown {
  return part.type === 'dynamic-tool' ? part.toolName : part.type.slice('tool-'.length)
}

function missing(chunk: Chunk, id: unknown): Problem {
  return `The answer broke off: its stream has a ${chunk.type} for the unknown id "${String(id)}".`
}

function pick(from: object, keys: readonly string[]): Record<string, unknown> {
  const entries = Object.entries(from)
  return Object.fromEntries(
    entries.filter(([key, value]) => keys.includes(key) && value !== undefined),
  )
}

/** As `pick`, without nulls. */
function pickSome(from: object, keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(pick(from, keys)).filter(([, value]) => value !== null))
}

function copy(chunk: Chunk, keys: readonly string[]): Part {
  return { type: chunk.type, ...pick(chunk, keys) }
}

/** Merges nested objects; other values, arrays included, are replaced. */
function mergeObjects(base: object, changes: object): object {
  const result: Record<string, unknown> = { ...base }
  for (const [key, value] of Object.entries(changes)) {
    if (
      value === undefined ||
      key === '__proto__' ||
      key === 'constructor' ||
      key === 'prototype'
    ) {
      continue
    }
    const before = Object.hasOwn(result, key) ? result[key] : undefined
    result[key] = isMergeable(before) && isMergeable(value) ? mergeObjects(before, value) : value
  }
  return result
}

function isMergeable(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  return !Array.isArray(value) && !(value instanceof Date) && !(value instanceof RegExp)
}
