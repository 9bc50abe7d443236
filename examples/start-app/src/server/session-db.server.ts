import {
  createHealthHandler,
  createSessionStore,
  createShapeProxy,
  createUploadHandler,
  createWriteHandler,
} from '@org/session-db/server'
import { authenticate } from './auth.server'
import { pool, required } from './database.server'

const electricUrl = required('ELECTRIC_URL')

/** Validates, applies and records write batches; searches; stores uploads. */
export const store = createSessionStore({
  database: pool,
  onError: (error) => console.error('Background work failed:', error),
})

/** GET /api/shapes/<name>: streams the rows that the signed-in user may see. */
export const serveShape = createShapeProxy({
  electricUrl,
  secret: process.env.ELECTRIC_SECRET,
  authenticate,
})

/** POST /api/write: the same as the server function, for other clients. */
export const serveWrite = createWriteHandler({ store, authenticate })

/** /api/uploads: resumable uploads of session logs, and downloads. */
export const serveUploads = createUploadHandler({ store, authenticate })

/** GET /api/health/live and /api/health/ready, for load balancers and orchestrators. */
export const serveHealth = createHealthHandler({
  database: pool,
  electricUrl,
  // The embedded stack uses a slot with another name than Electric's.
  streamId: process.env.EMBEDDED_STACK ? false : process.env.ELECTRIC_REPLICATION_STREAM_ID,
})
