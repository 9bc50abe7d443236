import { setupServer } from 'msw/node'
import { createShapeMock } from '../../../../src/testing/index.ts'

const hour = 3_600_000
const mock = createShapeMock({ electricUrl: 'http://app.test/api/shapes', longPollMs: hour })
const server = setupServer(...mock.handlers)
server.listen()

const url = 'http://app.test/api/shapes/sessions'
const first = await fetch(`${url}?offset=-1`)
const handle = first.headers.get('electric-handle')
mock.delay(hour)
void fetch(`${url}?offset=0_inf&handle=${handle}&live=true`)
console.log('waiting')
