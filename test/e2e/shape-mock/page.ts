import { setupWorker } from 'msw/browser'
import { runScenario } from './scenario.ts'

/** Runs the scenario in a page, with a real service worker. */
Object.assign(globalThis, {
  runScenario: async () => {
    let stop = () => {}
    const told = await runScenario('/api/shapes', (handlers) => {
      const worker = setupWorker(...handlers)
      stop = () => worker.stop()
      return worker.start({ quiet: true })
    })
    stop()
    return told
  },
})
