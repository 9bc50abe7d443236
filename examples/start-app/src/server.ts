import {
  createServerEntry,
  createStartHandler,
  defaultStreamHandler,
} from '@tanstack/react-start/server'
import { watchAnswers } from './server/answers.server'
import { store } from './server/session-db.server'

// The server's entry: what every instance does besides answering requests.

const worker = store.startWorker()
const endAnswers = watchAnswers()

/** Lets what is being done in the background come to a good end, before the process exits. */
export async function close(): Promise<void> {
  await Promise.all([worker.stop(), endAnswers()])
}

export default createServerEntry({ fetch: createStartHandler(defaultStreamHandler) })
