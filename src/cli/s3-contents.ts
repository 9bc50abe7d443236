import { type Command, Option } from 'commander'
import type { ContentStore } from '../server/uploads/content/content-store.ts'

/** Where contents are, should it not be Postgres. */
export interface S3Options {
  readonly s3Bucket?: string
  readonly s3Prefix?: string
  readonly s3Endpoint?: string
}

/** Adds the options that say which bucket holds the contents of sessions. */
export function addS3Options(command: Command): Command {
  return command
    .addOption(
      new Option('--s3-bucket <name>', 'the bucket that contents of sessions are in').env(
        'SESSION_DB_S3_BUCKET',
      ),
    )
    .option('--s3-prefix <prefix>', 'what their keys begin with (default: session-contents/)')
    .option('--s3-endpoint <url>', 'of a service that speaks the protocol of S3')
}

/** The store in the bucket; region and credentials come from where the AWS SDK finds them. */
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
