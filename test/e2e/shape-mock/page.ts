import { setupWorker } from 'msw/browser'
import { runScenario } from './scenario.ts'

/** Runs in the page, with a real service worker in between. */
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
