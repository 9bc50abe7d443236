import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { findLegacyPaths, type LegacyPathUse } from './find-legacy-paths.ts'

const CODE = /\.[cm]?[jt]sx?$/
const NOT_APP_CODE =
  /(?:^|[/\\])(?:node_modules|\.git)(?:[/\\]|$)|\.(?:test|spec)\.[cm]?[jt]sx?$|\.d\.[cm]?ts$/
const MAX_BYTES = 20 * 1024 * 1024

/** What a check of directories found. */
export interface CheckedDirectories {
  readonly files: number
  readonly uses: readonly LegacyPathUse[]
}

/**
 * Looks for code that makes the path of a legacy snapshot in all of some files and directories: the
 * source, or what a build made of it. Tests and `node_modules` are left out.
 *
 * @throws Error when a path does not exist.
 * @example
 * const { uses } = await checkDirectories(['src'])
 */
export async function checkDirectories(paths: readonly string[]): Promise<CheckedDirectories> {
  const files = (await Promise.all(paths.map(filesIn))).flat()
  const sources = await Promise.all(
    files.map(async (file) => ({ file, code: await readFile(file, 'utf8') })),
  )
  return { files: files.length, uses: findLegacyPaths(sources) }
}

async function filesIn(path: string): Promise<string[]> {
  if ((await stat(path)).isFile()) return [path]
  const names = await readdir(path, { recursive: true })
  const files = names.filter((name) => CODE.test(name) && !NOT_APP_CODE.test(name))
  const sized = await Promise.all(
    files.map(async (name) => ({ file: join(path, name), stats: await stat(join(path, name)) })),
  )
  return sized
    .filter(({ stats }) => stats.isFile() && stats.size <= MAX_BYTES)
    .map(({ file }) => file)
}
