import type { Server } from 'node:http'
import { createShutdown } from '@org/session-db/server'
import {
  createServerEntry,
  createStartHandler,
  defaultStreamHandler,
} from '@tanstack/react-start/server'
import { watchAnswers } from './server/answers.server'
import { pool } from './server/database.server'
import { serveShape, store } from './server/session-db.server'

// The server entry: the background work of every instance.

const worker = store.startWorker()
const endAnswers = watchAnswers()

/** How long requests may delay the exit, in ms. */
const TIMEOUT_MS = 5_000

/** Ends live requests and background work, and closes the database after the last response. */
export function shutdownOf(server: Server): () => Promise<void> {
  return createShutdown({
    server,
    stop: [serveShape, worker, endAnswers],
    close: [store, pool],
    timeoutMs: TIMEOUT_MS,
  })
}

export default createServerEntry({ fetch: createStartHandler(defaultStreamHandler) })
