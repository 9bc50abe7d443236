import { SessionDbError } from '@org/session-db'
import { createFileRoute } from '@tanstack/react-router'
import { failureResponse } from '#/server/typed-failures'

// Other paths below /api get a typed 404 instead of the app's "page not found".
export const Route = createFileRoute('/api/$')({
  server: {
    handlers: {
      ANY: () =>
        failureResponse(new SessionDbError('not_found', 'There is nothing at this address.')),
    },
  },
})
