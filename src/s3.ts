/** The entry `@org/session-db/s3`: keeps session contents in S3. Needs `@aws-sdk/client-s3`. */
export {
  createS3ContentStore,
  type S3ContentStoreOptions,
} from './server/uploads/content/s3-content-store.ts'
