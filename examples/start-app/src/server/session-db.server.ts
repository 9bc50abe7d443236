import { createSessionStore, createShapeProxy, createWriteHandler } from '@org/session-db/server'
import pg from 'pg'
import { authenticate } from './sign-in-cookie.server'

function required(name: 'DATABASE_URL' | 'ELECTRIC_URL'): string {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set. npm run demo sets it for you.`)
  return value
}

const pool = new pg.Pool({ connectionString: required('DATABASE_URL') })
// Without a listener, a connection that breaks while idle would end the process.
pool.on('error', (error) => console.error('Postgres connection lost:', error.message))

/** Checks, applies and remembers batches of writes. */
export const store = createSessionStore({ database: pool })

/** GET /api/shapes/<name>: the rows a signed-in user may hold, streamed as they change. */
export const serveShape = createShapeProxy({
  electricUrl: required('ELECTRIC_URL'),
  secret: process.env.ELECTRIC_SECRET,
  authenticate,
})

/** POST /api/write: the same writes as the server function, for clients that are not this app. */
export const serveWrite = createWriteHandler({ store, authenticate })
