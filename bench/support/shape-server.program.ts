import { createShapeServer, type ShapeServerOptions } from '../../src/dev/shape-server/index.ts'
import { serveParent } from './serve-parent.ts'

const options = JSON.parse(process.argv[2] ?? '{}') as ShapeServerOptions
const server = await createShapeServer({
  ...options,
  onEvent: ({ level, message, error }) => {
    if (level !== 'info') console.error(`shape server: ${message}`, error ?? '')
  },
})
const { url } = await server.listen()
serveParent(url, () => server.close())
