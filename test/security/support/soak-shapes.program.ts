import { createShapeServer } from '../../../src/dev/shape-server/index.ts'

// The engine, in a process of its own as in production. Prints its URL.
const [database = ''] = process.argv.slice(2)
const shapes = await createShapeServer({ database })
console.log((await shapes.listen()).url)
