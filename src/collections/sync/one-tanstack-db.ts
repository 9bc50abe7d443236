import { TanStackDBError } from '@tanstack/db'
import { ElectricDBCollectionError } from '@tanstack/electric-db-collection'
import { SessionDbError } from '../../errors.ts'

/**
 * Refuses to start with two copies of `@tanstack/db`. Collections of one copy don't work in another:
 * live queries fail with "not a Collection" and transactions never settle. A copy of
 * `@tanstack/react-db` alone cannot be seen from here; TanStack DB refuses it in development, and
 * `session-db doctor` lists all copies.
 *
 * @param base the error class of the copy that this library uses
 * @param derived an error class that `@tanstack/electric-db-collection` derives from its own copy's
 * @throws SessionDbError `invalid` when the copies differ
 */
export function requireOneTanStackDb(
  base: ErrorClass = TanStackDBError,
  derived: ErrorClass = ElectricDBCollectionError,
): void {
  const theirs: ErrorClass = Object.getPrototypeOf(derived)
  if (theirs === base) return
  throw new SessionDbError(
    'invalid',
    `There are two copies of @tanstack/db: @org/session-db uses ${pathOf(base)}, and ` +
      `@tanstack/electric-db-collection uses ${pathOf(theirs)}. Install one version and set it for all packages: ` +
      '"overrides" in package.json for npm and bun, "pnpm.overrides" for pnpm, "resolutions" for Yarn. In a Vite app add ' +
      'resolve: { dedupe: ["@tanstack/db"] }. "npx session-db doctor" lists all copies, also those of ' +
      '@tanstack/react-db and other adapters.',
  )
}

type ErrorClass = new (message: string) => Error

/** Returns the folder or address of the file that defines an error class. */
function pathOf(Class: ErrorClass): string {
  let stack = ''
  // Engines leave constructors out of an error's own stack, but call this from within them.
  const message = {
    toString() {
      stack = new Error('here').stack ?? ''
      return ''
    },
  }
  new Class(message as string)
  const place = /at new \S+ \((?:file:\/\/)?(\S+?)(?:\/dist\/\S*)?:\d+:\d+\)/.exec(stack)
  return place?.[1] ?? 'another copy'
}
