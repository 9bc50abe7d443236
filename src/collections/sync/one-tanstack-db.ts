import { TanStackDBError } from '@tanstack/db'
import { ElectricDBCollectionError } from '@tanstack/electric-db-collection'
import { SessionDbError } from '../../errors.ts'

/**
 * Collections of one copy of `@tanstack/db` are strangers to another: live queries say "not a
 * Collection", transactions never settle. So nothing starts with two.
 *
 * @param base - the error class of the copy that this library uses.
 * @param derived - one that `@tanstack/electric-db-collection` made of its own copy's.
 * @throws SessionDbError `invalid` when the copies differ.
 */
export function requireOneTanStackDb(
  base: ErrorClass = TanStackDBError,
  derived: ErrorClass = ElectricDBCollectionError,
): void {
  if (Object.getPrototypeOf(derived) === base) return
  throw new SessionDbError(
    'invalid',
    'There are two copies of @tanstack/db: @tanstack/electric-db-collection uses another one than @org/session-db. ' +
      'Run "npm ls @tanstack/db", and pin the version that @tanstack/electric-db-collection asks for in "dependencies" ' +
      'and "overrides". In a Vite app add resolve: { dedupe: ["@tanstack/db"] }.',
  )
}

type ErrorClass = abstract new (...args: never[]) => Error
