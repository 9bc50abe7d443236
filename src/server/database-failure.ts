import { SessionDbError } from '../errors.ts'

const EXAMPLE = 'postgresql://user:password@host:5432/database'

/**
 * Checks a connection string without connecting. The messages name DATABASE_URL, where apps keep it,
 * and never quote the string, which can contain a password.
 *
 * @throws SessionDbError `invalid`
 */
export function checkDatabaseUrl(database: string | undefined): asserts database is string {
  if (database === undefined || database.trim() === '') {
    throw invalid(
      'The database URL is empty. Set DATABASE_URL to a Postgres URL; `npx session-db dev` prints one.',
    )
  }
  // The path of a Unix socket, which pg accepts too.
  if (database.startsWith('/') || database.startsWith('socket:')) return
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(database)?.[1]?.toLowerCase()
  if (scheme === undefined || !database.includes('://')) {
    throw invalid(`DATABASE_URL is not a URL. Write it as ${EXAMPLE}.`)
  }
  if (scheme !== 'postgresql' && scheme !== 'postgres') {
    throw invalid(
      `DATABASE_URL starts with ${scheme}://, but this library needs Postgres. Write it as ${EXAMPLE}.`,
    )
  }
  // pg accepts an empty host, which a URL may not have.
  if (!URL.canParse(database.replace('@/', '@localhost/').replace(':///', '://localhost/'))) {
    throw invalid(
      `DATABASE_URL cannot be parsed. Write it as ${EXAMPLE}, with special characters in user and password percent-encoded.`,
    )
  }
}

function invalid(message: string): SessionDbError {
  return new SessionDbError('invalid', message)
}

/** The fields of errors from Node, pg and postgres.js that this module reads. */
interface ConnectionError {
  readonly code?: unknown
  readonly message?: unknown
  readonly hostname?: unknown
  readonly address?: unknown
  readonly port?: unknown
  readonly errors?: unknown
}

/**
 * Explains why there is no connection to the database: what failed, and what to do.
 *
 * @param host where the connection leads, for errors that don't contain it
 * @returns undefined when the error is not about a connection.
 */
export function explainConnectionError(
  error: unknown,
  host = 'the host in DATABASE_URL',
): string | undefined {
  const { code, message: text, hostname, errors, ...at } = toConnectionError(error)
  const message = typeof text === 'string' ? text : ''
  if (Array.isArray(errors) && errors.length > 0) return explainConnectionError(errors[0], host)
  const place =
    typeof at.address === 'string'
      ? `${at.address}${typeof at.port === 'number' ? `:${at.port}` : ''}`
      : host
  switch (code) {
    case 'ECONNREFUSED':
      return `Nothing listens at ${place}. Start Postgres, or correct host and port in DATABASE_URL.`
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `The host ${hostname} cannot be found. Correct it in DATABASE_URL, or check the network's DNS.`
    case 'ETIMEDOUT':
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'CONNECT_TIMEOUT':
      return `No answer from ${place}. Check host and port in DATABASE_URL, and firewalls in between.`
    case 'ENOENT':
      return 'There is no socket at the path in DATABASE_URL. Start Postgres, or correct the path.'
    case '28P01':
      return `Postgres refused the password (${message}). Correct user and password in DATABASE_URL.`
    case '28000':
      return `Postgres refused the login (${message}). Correct user, database and sslmode in DATABASE_URL, or allow them in pg_hba.conf.`
    case '3D000':
      return `The database does not exist (${message}). Create it, or correct its name in DATABASE_URL.`
    case '53300':
      return `Postgres has no free connection (${message}). Reduce pool sizes or raise max_connections.`
    case '57P03':
      return `Postgres is not accepting connections yet (${message}). Wait until it has started.`
  }
  if (/does not support SSL/.test(message)) {
    return 'The server has no TLS, but DATABASE_URL requires it. Remove sslmode from the URL, or enable ssl in Postgres.'
  }
  if (/client password must be a string|password.*missing|no password/i.test(message)) {
    return 'Postgres requires a password, but DATABASE_URL has none. Add it after the user: user:password@host.'
  }
  if (/timeout expired|timeout exceeded when trying to connect/.test(message)) {
    return `No answer from ${place}. Check host and port in DATABASE_URL, and firewalls in between.`
  }
  if (
    /^Connection terminated/.test(message) ||
    /^(?:ECONNRESET|CONNECTION_CLOSED)$/.test(String(code))
  ) {
    return `The connection to ${place} was closed (${message || code}). Check that Postgres listens at the host and port in DATABASE_URL, and its log.`
  }
  return undefined
}

function toConnectionError(error: unknown): ConnectionError {
  return typeof error === 'object' && error !== null ? error : { message: String(error) }
}
