import { setupServer } from 'msw/node'
import { runScenario } from './scenario.ts'

/** Runs the scenario in Node and prints its result. */
const server = setupServer()
const told = await runScenario('http://app.test/api/shapes', (handlers) => {
  server.use(...handlers)
  server.listen()
})
server.close()
console.log(JSON.stringify(told))
process.exit(0)
