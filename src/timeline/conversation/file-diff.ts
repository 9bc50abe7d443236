import type { TimelineEvent } from '../../schema/timeline-event.ts'
import { firstText, isRecord, type JsonRecord, listOf } from '../json.ts'

/** The change of one file. */
export interface FileDiff {
  readonly path: string
  /** The new path of a file that was moved; null for others. */
  readonly movedTo: string | null
  readonly change: 'added' | 'updated' | 'deleted'
  readonly hunks: readonly DiffHunk[]
  readonly linesAdded: number
  readonly linesRemoved: number
  /** True if the diff was cut because of its size; then the numbers of lines are of the shown part. */
  readonly isCut: boolean
}

/** Consecutive lines of a diff. */
export interface DiffHunk {
  /** Text after the second `@@`, such as the name of the function; may be empty. */
  readonly heading: string
  readonly lines: readonly DiffLine[]
}

export interface DiffLine {
  readonly type: 'added' | 'removed' | 'same'
  readonly text: string
  /** Number of the line in the old file; null for an added line, and if it is not known. */
  readonly oldLine: number | null
  /** Number of the line in the new file; null for a removed line, and if it is not known. */
  readonly newLine: number | null
}

/**
 * Reads the diffs of an event, one for each file. Of a `file_change`: hunks in `data.patch`, unified diffs,
 * patches of `apply_patch`, and the whole text of a new file. Of a tool call, for logs without changes: what
 * its input writes or replaces, without the numbers of lines.
 *
 * @param event an event of kind `file_change`, or a tool call that edits a file
 * @example
 * for (const { path, linesAdded, hunks } of fileDiffs(event)) show(path, linesAdded, hunks)
 */
export function fileDiffs(event: Pick<TimelineEvent, 'title' | 'text' | 'data'>): FileDiff[] {
  if (isRecord(event.data.input)) return inputDiffs(event.data.input, event)
  const paths = listOf(event.data.paths).filter((path) => typeof path === 'string')
  const path = paths[0] ?? event.title ?? ''
  const hunks = listOf(event.data.patch).filter(isRecord)
  const isNew = event.data.type === 'create' || event.data.isNewFile === true
  if (hunks.length > 0) {
    const draft = createDraft(path, 'updated')
    for (const hunk of hunks) addHunk(draft, hunk)
    return [finished(draft, event, true)]
  }
  const drafts = readText(event.text ?? '', path, isNew)
  return drafts.map((draft) => finished(draft, event, drafts.length === 1))
}

/** Returns the file that the input of a call writes; undefined for other calls. */
export function writtenPath(input: unknown): string | undefined {
  if (!isRecord(input)) return undefined
  const path = firstText(input.file_path, input.filePath, input.path, input.absolute_path)
  const { content, new_string: text, newString = text, edits } = input
  const isWritten = typeof content === 'string' || typeof newString === 'string'
  return isWritten || listOf(edits).some(isRecord) ? path : undefined
}

/** Reads what a call writes: texts it replaces by others, or the whole file. */
function inputDiffs(input: JsonRecord, event: Pick<TimelineEvent, 'title' | 'data'>): FileDiff[] {
  const path = writtenPath(input)
  const { content, edits } = input
  const replaced = [input, ...listOf(edits).filter(isRecord)].flatMap((edit) => {
    const [old, text] = [edit.old_string ?? edit.oldString, edit.new_string ?? edit.newString]
    return typeof text === 'string' ? [{ old, text }] : []
  })
  if (path === undefined) return []
  const draft = createDraft(path, 'updated')
  for (const { old, text } of replaced.length > 0 ? replaced : [{ old: '', text: content }]) {
    const hunk: Draft['hunks'][number] = { heading: '', lines: [] }
    draft.hunks.push(hunk)
    for (const [mark, lines] of [['-', old] as const, ['+', text] as const]) {
      if (typeof lines !== 'string' || lines === '') continue
      for (const line of lines.replace(/\n$/, '').split('\n')) {
        addLine(draft, hunk, mark + line, { old: null, new: null })
      }
    }
  }
  return [finished(draft, event, true)]
}

interface Draft {
  path: string
  movedTo: string | null
  change: FileDiff['change']
  hunks: { heading: string; lines: DiffLine[] }[]
  isCut: boolean
}

function createDraft(path: string, change: FileDiff['change']): Draft {
  return { path, movedTo: null, change, hunks: [], isCut: false }
}

/** The library's note of how much of a text is missing. */
const CUT = /… \[\d+ more characters\]$/

function addHunk(draft: Draft, { oldStart, newStart, lines }: JsonRecord): void {
  const texts = listOf(lines).filter((line) => typeof line === 'string')
  if (texts.length < listOf(lines).length) draft.isCut = true
  const numbers = { old: numberOf(oldStart), new: numberOf(newStart) }
  const hunk: Draft['hunks'][number] = { heading: '', lines: [] }
  draft.hunks.push(hunk)
  for (const text of texts) addLine(draft, hunk, text, numbers)
}

function numberOf(value: unknown): number | null {
  return typeof value === 'number' && value >= 0 ? value : null
}

interface LineNumbers {
  old: number | null
  new: number | null
}

function addLine(
  draft: Draft,
  hunk: Draft['hunks'][number],
  line: string,
  numbers: LineNumbers,
): void {
  const mark = line[0]
  if (mark === '\\') return
  if (CUT.test(line)) draft.isCut = true
  const type = mark === '+' ? 'added' : mark === '-' ? 'removed' : 'same'
  const next = (side: 'old' | 'new') => {
    const number = numbers[side]
    if (number !== null) numbers[side] = number + 1
    return number
  }
  hunk.lines.push({
    type,
    text: /^[ +-]/.test(line) ? line.slice(1) : line,
    oldLine: type === 'added' ? null : next('old'),
    newLine: type === 'removed' ? null : next('new'),
  })
}

const FILE = /^\*\*\* (Add File:|Update File:|Delete File:|add|update|delete) (.+)$/i
const MOVE = /^\*\*\* Move to: (.+)$/
const HUNK = /^@@(?: -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@)? ?(.*)$/
/** Lines of a unified diff and a patch that are not lines of the file. */
const HEAD =
  /^(?:Index: |={20,}|diff --git |index [0-9a-f]+|--- |\*\*\* (?:Begin|End) (?:Patch|of File))/

function readText(text: string, path: string, isNew: boolean): Draft[] {
  const drafts: Draft[] = []
  let draft: Draft | undefined
  let hunk: Draft['hunks'][number] | undefined
  let numbers: LineNumbers = { old: null, new: null }
  const open = (next: Draft) => {
    drafts.push(next)
    draft = next
    hunk = undefined
    const start = next.change === 'updated' ? null : 1
    numbers = { old: start, new: start }
  }
  for (const line of text.replace(/\n$/, '').split('\n')) {
    const file = FILE.exec(line)
    if (file !== null) {
      const [name = '', target] = (file[2] ?? '').split(' → ')
      open({ ...createDraft(name, changeOf(file[1] ?? '')), movedTo: target ?? null })
      continue
    }
    draft ?? open(createDraft(path, isNew ? 'added' : 'updated'))
    if (draft === undefined) continue
    const move = MOVE.exec(line)?.[1]
    if (move !== undefined) draft.movedTo = move
    if (move !== undefined || HEAD.test(line)) continue
    // Only before the first hunk: later, it is an added line that starts with `++ `.
    if (hunk === undefined && line.startsWith('+++ ')) continue
    const head = HUNK.exec(line)
    if (head !== null) {
      const [, oldStart, newStart, heading = ''] = head
      if (oldStart !== undefined) numbers = { old: Number(oldStart), new: Number(newStart) }
      else numbers = { old: null, new: null }
      hunk = { heading, lines: [] }
      draft.hunks.push(hunk)
      continue
    }
    if (hunk === undefined) {
      if (line === '') continue
      hunk = { heading: '', lines: [] }
      draft.hunks.push(hunk)
    }
    addLine(draft, hunk, line, numbers)
  }
  return drafts
}

function changeOf(word: string): FileDiff['change'] {
  const [first] = word.toLowerCase()
  return first === 'a' ? 'added' : first === 'd' ? 'deleted' : 'updated'
}

/** Takes the numbers of lines from the event if it changes one file: its text may have been cut. */
function finished(
  draft: Draft,
  { data, title }: Pick<TimelineEvent, 'title' | 'data'>,
  isOnly: boolean,
): FileDiff {
  const lines = draft.hunks.flatMap((hunk) => hunk.lines)
  const counted = (type: DiffLine['type']) => lines.filter((line) => line.type === type).length
  const stated = (value: unknown) => (isOnly && typeof value === 'number' ? value : undefined)
  return {
    ...draft,
    path: firstText(draft.path, title) ?? '',
    linesAdded: stated(data.linesAdded) ?? counted('added'),
    linesRemoved: stated(data.linesRemoved) ?? counted('removed'),
  }
}
