import { column, defineShape, sessionShapes, where } from '@org/session-db/proxy'
import type { AppPrincipal } from './principal.ts'

export const shapes = {
  ...sessionShapes,
  notes: defineShape({
    table: 'notes',
    columns: {
      tenantId: column('tenant_id', 'text'),
      id: column('id', 'text'),
      team: column('team', 'text'),
    },
    rows: (principal: AppPrincipal) => where.eq('team', principal.team),
  }),
}
