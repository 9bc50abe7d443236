import * as z from 'zod/mini'
import { type ColumnMap, column } from './columns.ts'
import { idField, integerField } from './fields.ts'

/** A viewer sees a session, a member also chats in it, an editor also changes it. */
export const grantRoleSchema = z.enum(['viewer', 'member', 'editor'])
export type GrantRole = z.output<typeof grantRoleSchema>

/** `tenant`, `user:<id>`, `team:<id>`, `link:<hash>`, or another kind of the app. */
export const granteeField = /* @__PURE__ */ (() =>
  z
    .string()
    .check(
      z.maxLength(256),
      z.regex(
        /^(?:tenant$|[a-z][a-z0-9-]*:[^\0])/,
        'must be `tenant`, or a kind and an id such as `user:ann`',
      ),
    ))()

/** One row of `session_grants`: a role in a session for a user, a team or another group. */
export const sessionGrantRowSchema = /* @__PURE__ */ (() =>
  z.strictObject({
    tenantId: idField,
    id: idField,
    sessionId: idField,
    grantee: granteeField,
    role: grantRoleSchema,
    createdBy: idField,
    version: integerField,
    createdAt: z.date(),
    updatedAt: z.date(),
  }))()

export type SessionGrant = z.output<typeof sessionGrantRowSchema>

/** The values a client sets when it shares a session. */
export const sessionGrantInsertSchema = z.strictObject({
  id: idField,
  sessionId: idField,
  grantee: granteeField,
  role: grantRoleSchema,
})

export const sessionGrantUpdateSchema = z.strictObject({ role: z.optional(grantRoleSchema) })

export type SessionGrantInsert = z.input<typeof sessionGrantInsertSchema>

export const sessionGrantColumns = /* @__PURE__ */ (() =>
  ({
    tenantId: column('tenant_id', 'text'),
    id: column('id', 'text', { writable: 'insert' }),
    sessionId: column('session_id', 'text', { writable: 'insert' }),
    grantee: column('grantee', 'text', { writable: 'insert' }),
    role: column('role', 'text', { writable: 'always' }),
    createdBy: column('created_by', 'text'),
    version: column('version', 'integer', { default: '1' }),
    createdAt: column('created_at', 'timestamp with time zone', { default: 'now()' }),
    updatedAt: column('updated_at', 'timestamp with time zone', { default: 'now()' }),
  }) as const satisfies ColumnMap<keyof SessionGrant>)()
