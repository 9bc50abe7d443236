import { setupServer } from 'msw/node'
import { runScenario } from './scenario.ts'

/** Runs in Node, and prints what it went through. */
const server = setupServer()
const told = await runScenario('http://app.test/api/shapes', (handlers) => {
  server.use(...handlers)
  server.listen()
})
server.close()
console.log(JSON.stringify(told))
process.exit(0)
