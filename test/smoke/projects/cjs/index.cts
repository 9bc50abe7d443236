import session = require('@org/session-db')
import server = require('@org/session-db/server')

const db: session.SessionCollections = session.createSessionCollections({
  electricUrl: '/api/shapes',
  writeAdapter: session.createHttpWriteAdapter({ url: '/api/write' }),
})
const store: server.SessionStore = server.createSessionStore({ database: 'postgres://' })

export = { db, store }
