// Requests pages from the built server of the guide's app, as a browser would.
import assert from 'node:assert/strict'

process.env.ELECTRIC_URL = 'http://127.0.0.1:1'
process.env.DATABASE_URL = 'postgres://nobody@127.0.0.1:1/none'
const { default: server } = await import('./dist/server/server.js')
const page = await server.fetch(new Request('http://app.test/'))
assert.equal(page.status, 200)
assert.match(await page.text(), /<html lang="en">/)
const shape = await server.fetch(new Request('http://app.test/api/shapes/sessions'))
assert.equal(shape.status, 401)
console.log('ok')
process.exit()
