import assert from 'node:assert/strict'
import { GlobalRegistrator } from '@happy-dom/global-registrator'

// A live list in a page of happy-dom, where `navigator.locks` is null.
// Node's own timers, because TanStack DB expects them to have `unref` where they are objects.
const own = {
  Response,
  Request,
  Headers,
  fetch,
  AbortController,
  AbortSignal,
  setTimeout,
  clearTimeout,
  setInterval,
  clearInterval,
}
GlobalRegistrator.register({ url: 'http://app.test/' })
Object.assign(globalThis, own)
assert.equal(navigator.locks ?? null, null)

const { start } = await import(`./dist/${process.argv[2]}/app.js`)
const target = document.createElement('main')
document.body.append(target)
const insert = start(target)
await shows(/From the server/)
insert('Optimistic')
await shows(/Optimistic/)
process.exit()

async function shows(text) {
  const end = Date.now() + 60_000
  while (!text.test(target.textContent)) {
    assert.ok(Date.now() < end, `the list shows "${target.textContent}", not ${text}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
