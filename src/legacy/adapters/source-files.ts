import { constants } from 'node:fs'
import { type FileHandle, open, realpath, stat } from 'node:fs/promises'
import { relative, resolve, sep } from 'node:path'
import { SessionDbError } from '../../errors.ts'

const MAX_BYTES = 512 * 1024 * 1024

/** A file that was read from an allowed directory. */
export interface SourceFile {
  readonly content: Buffer
  readonly modifiedMs: number
}

/** Reads files of the server that uploads refer to, from allowed directories only. */
export interface SourceFiles {
  /**
   * Returns the file's time of change, without reading it.
   *
   * @throws SessionDbError as `read`.
   */
  modifiedMs(path: string): Promise<number>
  /**
   * Reads a file. Symbolic links are resolved first, so that a link cannot lead out of the allowed
   * directories.
   *
   * @throws SessionDbError `forbidden` for a path outside the allowed directories, `not_found` for a
   *   missing file, `invalid` for anything but a regular file, `too_large` above 512 MiB.
   */
  read(path: string): Promise<SourceFile>
}

export function createSourceFiles(directories: readonly string[] = []): SourceFiles {
  async function openAllowed(path: string): Promise<FileHandle> {
    // The same error for a missing and a forbidden path: it must not reveal which files exist.
    const real = await realpath(path).catch(() => undefined)
    const roots = await Promise.all(
      directories.map((root) => realpath(root).catch(() => undefined)),
    )
    const isInside = (file: string) =>
      roots.some((root) => root !== undefined && isWithin(root, file))
    if (real === undefined) {
      const isAllowed = directories.some((root) => isWithin(resolve(root), resolve(path)))
      throw isAllowed ? missing(path) : forbidden(path)
    }
    if (!isInside(real)) throw forbidden(path)
    const file = await open(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    try {
      // A directory on the way may have become a link since: the opened file must still be inside.
      const opened = await file.stat()
      const again = await realpath(path)
      const now = await stat(again)
      if (!isInside(again) || now.ino !== opened.ino || now.dev !== opened.dev)
        throw forbidden(path)
      if (!opened.isFile()) {
        throw new SessionDbError('invalid', `The source ${path} is not a regular file.`)
      }
      return file
    } catch (error) {
      await file.close()
      throw error
    }
  }

  async function withFile<Result>(
    path: string,
    use: (file: FileHandle) => Promise<Result>,
  ): Promise<Result> {
    const file = await openAllowed(path)
    try {
      return await use(file)
    } finally {
      await file.close()
    }
  }

  return {
    modifiedMs: (path) => withFile(path, async (file) => (await file.stat()).mtimeMs),
    read: (path) =>
      withFile(path, async (file) => {
        const { size, mtimeMs } = await file.stat()
        if (size > MAX_BYTES) {
          throw new SessionDbError('too_large', `The source ${path} is larger than 512 MiB.`)
        }
        return { content: await file.readFile(), modifiedMs: mtimeMs }
      }),
  }
}

function isWithin(root: string, path: string): boolean {
  const way = relative(root, path)
  return way !== '' && way !== '..' && !way.startsWith(`..${sep}`) && resolve(root, way) === path
}

function forbidden(path: string): SessionDbError {
  return new SessionDbError(
    'forbidden',
    `The source ${path} is not in an allowed directory. Add its directory to sourceDirectories.`,
  )
}

function missing(path: string): SessionDbError {
  return new SessionDbError('not_found', `The source file ${path} does not exist.`)
}
