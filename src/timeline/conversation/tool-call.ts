import { cutText } from '../../schema/cut-text.ts'
import type { TimelineEvent } from '../../schema/timeline-event.ts'
import { firstText, isRecord, type JsonRecord, listOf, parseJson } from '../json.ts'

/** The kind of a tool's action, whatever its agent names the tool. */
export type ToolAction =
  | 'run'
  | 'read'
  | 'write'
  | 'edit'
  | 'search'
  | 'fetch'
  | 'plan'
  | 'agent'
  | 'ask'
  | 'other'

/** A tool call in one line. */
export interface ToolSummary {
  readonly action: ToolAction
  /** The command, path, query, URL or first text of the input, without line breaks; may be empty. */
  readonly subject: string
  /** The agent's own words about the call; null if it gave none. */
  readonly description: string | null
}

/** Tools of the supported agents, in lower case and without `_` and `-`. */
const TOOLS: Readonly<Record<Exclude<ToolAction, 'other'>, readonly string[]>> = {
  run: [
    ...['bash', 'shell', 'localshell', 'shellcommand', 'containerexec', 'execcommand', 'exec'],
    ...['runshellcommand', 'executecommand', 'runterminalcmd', 'runterminalcommand', 'powershell'],
    ...['terminal', 'runcommand', 'developershell', 'writestdin', 'bashoutput', 'killbash'],
  ],
  read: [
    ...[
      'read',
      'readfile',
      'readmanyfiles',
      'view',
      'viewimage',
      'openfile',
      'cat',
      'notebookread',
    ],
    ...['ls', 'list', 'listdirectory', 'listdir', 'listfiles', 'readdirectory'],
  ],
  write: ['write', 'writefile', 'createfile', 'writetofile', 'create', 'newfile'],
  edit: [
    ...['edit', 'multiedit', 'editfile', 'replace', 'applypatch', 'patch', 'strreplace', 'update'],
    ...['strreplaceeditor', 'strreplacebasededittool', 'replaceinfile', 'searchreplace'],
    ...['notebookedit', 'applydiff', 'texteditor', 'developertexteditor', 'deletefile'],
  ],
  search: [
    ...['grep', 'glob', 'find', 'search', 'searchfiles', 'searchfilecontent', 'codebasesearch'],
    ...['grepsearch', 'filesearch', 'globfilesearch', 'websearch', 'googlewebsearch', 'toolsearch'],
    ...['searchcode', 'rg'],
  ],
  fetch: ['webfetch', 'fetch', 'fetchurl', 'openurl', 'browse', 'readurl', 'urlfetch'],
  plan: ['todowrite', 'todoread', 'updateplan', 'writetodos', 'updatetodolist', 'todos'],
  agent: ['task', 'agent', 'spawnagent', 'subagent', 'dispatchagent', 'newtask', 'delegate'],
  ask: ['askuserquestion', 'askfollowupquestion', 'requestuserinput', 'askuser', 'question'],
}

const ACTIONS: ReadonlyMap<string, ToolAction> = /* @__PURE__ */ (() =>
  new Map(
    Object.entries(TOOLS).flatMap(([action, names]) =>
      names.map((name) => [name, action as ToolAction] as const),
    ),
  ))()

const SUBJECT_LIMIT = 300

/**
 * Summarises a tool call in one line: what it does and to what. Knows the tools of the supported agents;
 * for others, the subject is the first text of the input.
 *
 * @param call an event of kind `tool_call`
 * @param root folder whose paths are shortened, such as the session's `workspaceRoot`. Default: none
 * @example
 * describeToolCall(event) // { action: 'run', subject: 'npm test', description: null }
 */
export function describeToolCall(
  call: Pick<TimelineEvent, 'toolName' | 'text' | 'data'>,
  root?: string | null,
): ToolSummary {
  const name = (call.toolName ?? '').replace(/^functions\./, '')
  const input = inputOf(call)
  const action = ACTIONS.get(name.toLowerCase().replaceAll(/[_\-. ]/g, '')) ?? 'other'
  const description = firstText(input.description, input.justification, input.explanation)
  const subject = subjectOf(action, input, call.text) ?? ''
  return {
    action,
    subject: shortened(oneLine(subject), root),
    description: description === undefined || description === subject ? null : oneLine(description),
  }
}

/** The input is in `data`; parsers of some agents only have it as text. */
function inputOf({ text, data }: Pick<TimelineEvent, 'text' | 'data'>): JsonRecord {
  for (const value of [data.input, data.arguments, data.args]) {
    if (isRecord(value)) return value
    if (typeof value === 'string' && value.startsWith('{')) {
      const parsed = parseJson(value)
      if (isRecord(parsed)) return parsed
    }
  }
  const parsed = text?.startsWith('{') ? parseJson(text) : undefined
  return isRecord(parsed) ? parsed : {}
}

function subjectOf(action: ToolAction, input: JsonRecord, text: string | null): string | undefined {
  const path = firstText(
    ...[input.file_path, input.filePath, input.path, input.absolute_path, input.notebook_path],
    ...[input.target_file, input.filename, input.dir_path, input.directory],
  )
  const isJson = text?.startsWith('{') ?? false
  const plain = isJson ? undefined : (text ?? undefined)
  switch (action) {
    case 'run':
      return commandOf(input) ?? plain
    case 'read':
    case 'write':
      return path ?? listOf(input.paths).find((each) => typeof each === 'string') ?? plain
    case 'edit':
      return path ?? patchedFiles(input, text) ?? plain
    case 'search': {
      const query = firstText(input.pattern, input.query, input.regex, input.q, input.glob)
      return query === undefined ? (path ?? plain) : path ? `${query} in ${path}` : query
    }
    case 'fetch':
      return firstText(input.url, input.uri, input.query) ?? plain
    case 'plan':
      return planOf(input)
    case 'agent':
      return firstText(input.description, input.prompt, input.message, input.task) ?? plain
    case 'ask':
      return questionOf(input) ?? plain
    case 'other':
      return commandOf(input) ?? path ?? firstText(...Object.values(input)) ?? plain
  }
}

/** Shells that run a script given as an argument: `["bash", "-lc", "npm test"]`. */
const SHELL = /(?:^|\/)(?:ba|z|da)?sh$/
const CHANGE_FOLDER = /^cd +(?:"[^"]*"|'[^']*'|\S+) *(?:&&|;) *(?=\S)/

/** Returns the command without the shell around it, and without a change of the folder before it. */
function commandOf(input: JsonRecord): string | undefined {
  const command = input.command ?? input.cmd ?? input.script ?? input.chars
  const words = listOf(command).filter((word) => typeof word === 'string')
  const [shell = '', flag = '', script] = words
  const line =
    typeof command === 'string'
      ? command
      : SHELL.test(shell) && /^-l?i?c$/.test(flag) && script !== undefined
        ? script
        : words.join(' ')
  return line.trim() === '' ? undefined : line.trim().replace(CHANGE_FOLDER, '')
}

/** Names the files of a patch in one of the forms of `apply_patch`. */
function patchedFiles(input: JsonRecord, text: string | null): string | undefined {
  const patch = firstText(input.input, input.patch, input.diff, commandOf(input)) ?? text ?? ''
  const files = [...patch.matchAll(/^\*\*\* (?:Add|Update|Delete) File: (.+)$/gm)]
  const first = files[0]?.[1]
  if (first === undefined) return undefined
  return files.length === 1 ? first : `${first} and ${files.length - 1} more`
}

/** Returns the step in progress and how many are done. */
function planOf(input: JsonRecord): string | undefined {
  const steps = listOf(input.todos ?? input.plan ?? input.items).filter(isRecord)
  if (steps.length === 0) return firstText(input.explanation)
  const done = steps.filter(({ status }) => status === 'completed' || status === 'done').length
  const current = steps.find(({ status }) => status === 'in_progress') ?? steps[done]
  const name = firstText(current?.content, current?.step, current?.description, current?.text)
  const counted = `${done} of ${steps.length} done`
  return name === undefined || done === steps.length ? counted : `${name} (${counted})`
}

function questionOf(input: JsonRecord): string | undefined {
  const first = listOf(input.questions)[0]
  return firstText(input.question, input.prompt, isRecord(first) ? first.question : first)
}

/** The first line; a script's other lines are counted. */
function oneLine(text: string): string {
  const lines = text.split('\n').filter((line) => line.trim() !== '')
  const [first = '', ...more] = lines
  const line = first.trim().replaceAll(/\s+/g, ' ')
  const cut = line.length > SUBJECT_LIMIT ? `${cutText(line, SUBJECT_LIMIT)}…` : line
  return more.length === 0 ? cut : `${cut} …`
}

function shortened(subject: string, root: string | null | undefined): string {
  if (!root || root.length < 2) return subject
  const folder = /[/\\]$/.test(root) ? root : `${root}${root.includes('\\') ? '\\' : '/'}`
  return subject.replaceAll(folder, '')
}

/** The outcome of a tool call. */
export interface ToolOutcome {
  /** True if the call failed: by the agent's word, or by an exit code other than 0. */
  readonly isError: boolean
  /** Exit code of the command; null if there is none. */
  readonly exitCode: number | null
  /** The output without the lines that an agent adds to it. */
  readonly output: string
}

/** Lines that Codex puts before the output of a command. */
const CODEX_HEAD =
  /^(?:(?:Chunk ID|Wall time|Process (?:exited|running)|Original token count|Exit code|Total output lines)\b[^\n]*\n)+Output:\n/
const CLAUDE_EXIT = /^Exit code (\d{1,3})(?:\n|$)/
const CLAUDE_ERROR = /^<tool_use_error>([\s\S]*?)(?:<\/tool_use_error>)?\s*$/

/**
 * Reads whether a tool call failed, its exit code and its output from its results.
 *
 * @param results the events of kind `tool_result` of one call
 */
export function toolOutcome(results: readonly Pick<TimelineEvent, 'text' | 'data'>[]): ToolOutcome {
  const texts = results.map(({ text }) => text ?? '')
  const stated = results.find(({ data }) => typeof data.exitCode === 'number')?.data.exitCode
  const written = texts.map((text) => CLAUDE_EXIT.exec(text)?.[1]).find((code) => code)
  const exitCode =
    typeof stated === 'number' ? stated : written === undefined ? null : Number(written)
  return {
    exitCode,
    isError: results.some(({ data }) => data.isError === true) || (exitCode ?? 0) !== 0,
    output: texts.map(withoutFrame).join('\n').trim(),
  }
}

function withoutFrame(text: string): string {
  return text.replace(CODEX_HEAD, '').replace(CLAUDE_EXIT, '').replace(CLAUDE_ERROR, '$1').trimEnd()
}
