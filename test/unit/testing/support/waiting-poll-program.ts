import { setupServer } from 'msw/node'
import { createShapeMock } from '../../../../src/testing/index.ts'

const mock = createShapeMock({ electricUrl: 'http://app.test/api/shapes' })
const server = setupServer(...mock.handlers)
server.listen()

const url = 'http://app.test/api/shapes/sessions'
const first = await fetch(`${url}?offset=-1`)
const handle = first.headers.get('electric-handle')
mock.delay(60_000)
void fetch(`${url}?offset=0_inf&handle=${handle}&live=true`)
console.log('waiting')
