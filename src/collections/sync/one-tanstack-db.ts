import { TanStackDBError } from '@tanstack/db'
import { ElectricDBCollectionError } from '@tanstack/electric-db-collection'
import { SessionDbError } from '../../errors.ts'

/**
 * Refuses to start with two copies of `@tanstack/db`. Collections of one copy don't work in another:
 * live queries fail with "not a Collection" and transactions never settle.
 *
 * @param base the error class of the copy that this library uses
 * @param derived an error class that `@tanstack/electric-db-collection` derives from its own copy's
 * @throws SessionDbError `invalid` when the copies differ
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
