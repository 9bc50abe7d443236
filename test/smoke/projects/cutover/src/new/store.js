import { createSessionStore } from '@org/session-db/server'

export const store = createSessionStore({ database: process.env.DATABASE_URL })
