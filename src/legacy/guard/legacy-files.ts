import { readdir, readFile, stat } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { SessionDbError } from '../../errors.ts'

/** A line of code that names a legacy snapshot. */
export interface LegacyPathUse {
  readonly file: string
  /** Line, from 1. */
  readonly line: number
  /** Column, from 1. */
  readonly column: number
  /** The name as it is written in the code. */
  readonly path: string
}

const STEMS = ['chat-threads', 'chat-messages', 'chat-tool-events']
const NAMES = STEMS.map((stem) => `${stem}.json`)

/** A quoted path of one of the files, or a glob such as `data/chat-*.json`. */
const FILE = new RegExp(
  `(?<=["'\`])(?:(?:\\$\\{[^}]*\\}|\\$(?!\\{)|[^"'\`\\s$])*[/\\\\])?(?:${NAMES.join('|')}|[\\w-]*\\*[\\w-*]*\\.json)(?=["'\`?#])`,
  'g',
)
/** The name without its extension, as a whole string. */
const STEM = new RegExp(`(?<=(["'\`]))(?:${STEMS.join('|')})(?=\\1)`, 'g')
/** `'.json'` or `${name}.json`: code that adds the extension to a name. */
const JSON_EXTENSION = /["'`}]\.json["'`]/
const COMMENT = /^\s*(?:\/\/|\/?\*)|\s\/\//

/** True for a path whose last part is the name of a legacy snapshot. */
export function isLegacyPath(path: string): boolean {
  return NAMES.includes(path.slice(Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1))
}

/**
 * Finds where code names a legacy snapshot (`chat-threads.json`, `chat-messages.json`,
 * `chat-tool-events.json`): quoted, with or without a directory, or without `.json` in a file that adds
 * it. Comments are ignored. Names that are put together in other ways, or in several files, are left to
 * `guardLegacyFiles`.
 *
 * @example
 * findLegacyPaths([{ file: 'src/store.ts', code: "join('data', 'chat-threads.json')" }])
 */
export function findLegacyPaths(
  sources: readonly { readonly file: string; readonly code: string }[],
): LegacyPathUse[] {
  return sources.flatMap(({ file, code }) => {
    const addsExtension = JSON_EXTENSION.test(code)
    return code.split('\n').flatMap((text, index) => {
      const matches = [...text.matchAll(FILE), ...(addsExtension ? text.matchAll(STEM) : [])]
      return matches
        .filter(({ 0: path, index: at }) => isNamed(path) && !COMMENT.test(text.slice(0, at)))
        .map(({ 0: path, index: at }) => ({ file, line: index + 1, column: at + 1, path }))
    })
  })
}

/** False for a glob that matches none of the files. */
function isNamed(path: string): boolean {
  if (!path.endsWith('.json') || !path.includes('*')) return true
  const glob = path
    .slice(path.lastIndexOf('/') + 1)
    .replaceAll('.', '\\.')
    .replaceAll('*', '.*')
  return NAMES.some((name) => new RegExp(`^${glob}$`).test(name))
}

/**
 * Formats findings as several lines, with what to do.
 *
 * @param from the directory that file names are shown from
 */
export function describeLegacyPaths(uses: readonly LegacyPathUse[], from = process.cwd()): string {
  const lines = uses.map(({ file, line, column, path }) => {
    const shown = relative(from, file)
    return `  ${shown.startsWith('..') ? file : shown}:${line}:${column}  ${path}`
  })
  return [
    'This code still reads or writes legacy chat snapshots:',
    ...lines,
    'Chat history is in the database: use createSessionCollections or createLegacyStores instead.',
  ].join('\n')
}

const CODE = /\.[cm]?[jt]sx?$/
const NOT_APP_CODE =
  /(?:^|[/\\])(?:node_modules|\.git)(?:[/\\]|$)|\.(?:test|spec)\.[cm]?[jt]sx?$|\.d\.[cm]?ts$/
const MAX_BYTES = 20 * 1024 * 1024

/**
 * Searches files and directories, which may be sources or the output of a build. Tests and
 * `node_modules` are left out.
 *
 * @throws SessionDbError `invalid` when a path does not exist.
 * @example
 * const { uses } = await checkDirectories(['src'])
 */
export async function checkDirectories(
  paths: readonly string[],
): Promise<{ readonly files: number; readonly uses: readonly LegacyPathUse[] }> {
  const files = (await Promise.all(paths.map(filesIn))).flat()
  const sources = await Promise.all(
    files.map(async (file) => ({ file, code: await readFile(file, 'utf8') })),
  )
  return { files: files.length, uses: findLegacyPaths(sources) }
}

async function filesIn(path: string): Promise<string[]> {
  const found = await stat(path).catch(() => undefined)
  if (found === undefined) {
    throw new SessionDbError(
      'invalid',
      `There is no file or directory ${path}. Pass the directories of your source code.`,
    )
  }
  if (found.isFile()) return [path]
  const names = await readdir(path, { recursive: true })
  const files = names.filter((name) => CODE.test(name) && !NOT_APP_CODE.test(name))
  const sized = await Promise.all(
    files.map(async (name) => ({ file: join(path, name), stats: await stat(join(path, name)) })),
  )
  return sized
    .filter(({ stats }) => stats.isFile() && stats.size <= MAX_BYTES)
    .map(({ file }) => file)
}
