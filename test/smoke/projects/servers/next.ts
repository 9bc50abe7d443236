// app/api/shapes/[...path]/route.ts
import { serveShape } from './handlers.ts'

export const dynamic = 'force-dynamic'
export { serveShape as GET, serveShape as POST }
