import { SessionDbError } from '../errors.ts'

/**
 * Throws when `NODE_ENV` is `production`. Everything in this folder is for development and tests.
 *
 * @param what the refused thing, such as "The embedded Postgres"
 * @throws SessionDbError `invalid`
 */
export function refuseProduction(what: string): void {
  if (process.env.NODE_ENV !== 'production') return
  throw new SessionDbError(
    'invalid',
    `${what} is for development and tests and does not start with NODE_ENV=production. ` +
      'In production run Postgres and Electric (https://electric.ax) ' +
      'and set DATABASE_URL and ELECTRIC_URL to them.',
  )
}
