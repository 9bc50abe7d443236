import { z } from 'zod'
import type { Principal } from '../../../src/schema/index.ts'
import { column } from '../../../src/schema/index.ts'
import { defineShape, sessionShapes, where } from '../../../src/shapes/index.ts'

/** An app's principal, with a role. */
export interface AppPrincipal extends Principal {
  readonly isAdmin: boolean
}

/** An app's shapes: the library's, and one of the app's own table. */
export const appShapes = {
  ...sessionShapes,
  'folder-projects': defineShape({
    table: 'folder_projects',
    columns: {
      tenantId: column('tenant_id', 'text'),
      id: column('id', 'text'),
      folderId: column('folder_id', 'text'),
      name: column('name', 'text'),
      isOpen: column('is_open', 'boolean'),
      budget: column('budget', 'integer', { nullable: true }),
      secretNote: column('secret_note', 'text', { nullable: true, synced: false }),
    },
    params: { folderId: z.string().min(1).max(128) },
    rows: (principal: AppPrincipal, { folderId }) => {
      const inFolder = where.eq('folder_id', folderId)
      if (principal.isAdmin) return inFolder
      const mine = where.eq('user_id', principal.userId)
      const members = { table: 'folder_project_members', select: 'project_id', where: mine }
      return where.and(inFolder, where.inArray('id', members))
    },
  }),
}

/** The app's tables. */
export const appTablesSql = `
  CREATE TABLE IF NOT EXISTS folder_projects (
    tenant_id text NOT NULL,
    id text NOT NULL,
    folder_id text NOT NULL,
    name text NOT NULL,
    is_open boolean NOT NULL,
    budget integer,
    secret_note text,
    PRIMARY KEY (tenant_id, id)
  );
  CREATE TABLE IF NOT EXISTS folder_project_members (
    tenant_id text NOT NULL,
    project_id text NOT NULL,
    user_id text NOT NULL,
    PRIMARY KEY (tenant_id, project_id, user_id)
  );
  ALTER TABLE folder_projects REPLICA IDENTITY FULL;
  ALTER TABLE folder_project_members REPLICA IDENTITY FULL;`
