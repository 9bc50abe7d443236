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

/** Checks, applies and remembers batches of writes; searches, and keeps what is uploaded. */
export const store = createSessionStore({
  database: pool,
  onError: (error) => console.error('In the background:', error),
})

/** GET /api/shapes/<name>: the rows a signed-in user may hold, streamed as they change. */
export const serveShape = createShapeProxy({
  electricUrl,
  secret: process.env.ELECTRIC_SECRET,
  authenticate,
})

/** POST /api/write: the same writes as the server function, for clients that are not this app. */
export const serveWrite = createWriteHandler({ store, authenticate })

/** /api/uploads: session logs in, resumable, and out again. */
export const serveUploads = createUploadHandler({ store, authenticate })

/** GET /api/health/live and /api/health/ready: for whoever restarts instances or sends them traffic. */
export const serveHealth = createHealthHandler({
  database: pool,
  electricUrl,
  // The embedded stack reads the log of Postgres through a slot of another name than Electric's.
  streamId: process.env.EMBEDDED_STACK ? false : process.env.ELECTRIC_REPLICATION_STREAM_ID,
})
