import { type Command, InvalidArgumentError, Option } from 'commander'
import type { ContentStore } from '../server/uploads/content/content-store.ts'

/** Creates the option `--database-url`, with DATABASE_URL as its default. */
export function databaseUrlOption(): Option {
  return new Option('--database-url <url>', 'Postgres connection string').env('DATABASE_URL')
}

/** Returns the database of a command, or fails with a usage error. */
export function requireDatabase(command: Command): string {
  const { databaseUrl } = command.opts<{ databaseUrl?: string }>()
  if (databaseUrl) return databaseUrl
  return command.error(
    'no database: set DATABASE_URL or pass --database-url; `session-db dev` starts one and prints its URL',
  )
}

/** Values of the options that `addS3Options` adds. */
export interface S3Options {
  readonly s3Bucket?: string
  readonly s3Prefix?: string
  readonly s3Endpoint?: string
}

/** Adds the options for apps that keep the contents of sessions in S3. */
export function addS3Options(command: Command): Command {
  return command
    .addOption(
      new Option('--s3-bucket <name>', 'bucket with the contents of sessions').env(
        'SESSION_DB_S3_BUCKET',
      ),
    )
    .option('--s3-prefix <prefix>', 'prefix of their keys (default: session-contents/)')
    .option('--s3-endpoint <url>', 'S3-compatible endpoint')
}

/** Opens the bucket. The AWS SDK finds region and credentials itself. */
export async function s3Contents(options: S3Options): Promise<{ contents?: ContentStore }> {
  const { s3Bucket: bucket, s3Prefix: prefix, s3Endpoint: endpoint } = options
  if (bucket === undefined) return {}
  const { S3Client } = await import('@aws-sdk/client-s3')
  const { createS3ContentStore } = await import('../server/uploads/content/s3-content-store.ts')
  const client = new S3Client(endpoint === undefined ? {} : { endpoint, forcePathStyle: true })
  return {
    contents: createS3ContentStore({ client, bucket, ...(prefix !== undefined && { prefix }) }),
  }
}

/** Parses a TCP port. */
export function parsePort(text: string): number {
  return parseInteger(text, 1, 65_535)
}

/** Parses a positive number of bytes. */
export function parseBytes(text: string): number {
  return parseInteger(text, 1, Number.MAX_SAFE_INTEGER)
}

function parseInteger(text: string, min: number, max: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (value >= min && value <= max) return value
  throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`)
}

/** Collects the values of a repeatable option. */
export function collect<Value>(
  parse: (text: string) => Value,
): (text: string, before?: readonly Value[]) => Value[] {
  return (text, before = []) => [...before, parse(text)]
}
