import { type Command, Option } from 'commander'

/** The option that names the database, DATABASE_URL unless given. */
export function databaseUrlOption(): Option {
  return new Option('--database-url <url>', 'the Postgres to use').env('DATABASE_URL')
}

/** The database of a command; fails as bad usage when there is none. */
export function requireDatabaseUrl(command: Command): string {
  const { databaseUrl } = command.opts<{ databaseUrl?: string }>()
  if (databaseUrl) return databaseUrl
  return command.error(
    'no database given: set DATABASE_URL or pass --database-url ' +
      '(session-db dev starts one and prints its url)',
  )
}
