import {
  createServerEntry,
  createStartHandler,
  defaultStreamHandler,
} from '@tanstack/react-start/server'
import { watchAnswers } from './server/answers.server'
import { store } from './server/session-db.server'

// The server entry: the background work of every instance.

const worker = store.startWorker()
const endAnswers = watchAnswers()

/** Finishes background work before the process exits. */
export async function close(): Promise<void> {
  await Promise.all([worker.stop(), endAnswers()])
}

export default createServerEntry({ fetch: createStartHandler(defaultStreamHandler) })
