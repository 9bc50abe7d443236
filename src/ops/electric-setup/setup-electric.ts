import { randomBytes } from 'node:crypto'
import type { ClientBase } from 'pg'
import { SessionDbError } from '../../errors.ts'
import { transaction, withClient } from '../../server/connections.ts'
import { checkServer } from '../doctor/database-checks.ts'
import type { Finding } from '../finding.ts'
import { type ElectricSetupOptions, type SetupNames, setupNames } from './names.ts'
import { readSetupState, type SetupState } from './setup-state.ts'
import { type SetupStep, setupSteps } from './setup-steps.ts'

/** A planned or applied setup. */
export interface ElectricSetup {
  /** Settings of the server that are wrong. No statement below can change them. */
  readonly server: readonly Finding[]
  /** The missing statements in order. Empty when the setup is complete. */
  readonly steps: readonly SetupStep[]
  readonly applied: boolean
  /** Passwords of the roles that these steps create. */
  readonly passwords: { readonly electric?: string; readonly app?: string }
  readonly names: SetupNames
}

/**
 * Returns the statements that a database still needs before Electric can replicate it with the least
 * privilege (`ELECTRIC_MANUAL_TABLE_PUBLISHING=true`) and the app can use it as a role that can
 * neither replicate nor change tables. Runs none of them.
 *
 * @throws SessionDbError `unavailable` when the database can't be reached, `invalid` when a table is
 * missing.
 * @example
 * const { steps } = await planElectricSetup({ database: process.env.DATABASE_URL })
 * for (const { sql } of steps) console.log(`${sql};`)
 */
export function planElectricSetup(options: ElectricSetupOptions): Promise<ElectricSetup> {
  return withClient(options.database, (client) => plan(client, options))
}

/**
 * Runs the statements of `planElectricSetup` in one transaction. A second run changes nothing.
 *
 * @throws SessionDbError like `planElectricSetup`; `forbidden` when the role lacks a privilege: the message
 * has the statements that an administrator runs before, passwords included. Nothing has changed then.
 * @example
 * const { passwords } = await applyElectricSetup({ database: process.env.DATABASE_URL })
 */
export function applyElectricSetup(options: ElectricSetupOptions): Promise<ElectricSetup> {
  return withClient(options.database, (client) =>
    transaction(client, async () => {
      // A statement that waits for a table lock blocks all later queries on that table.
      await client.query("SET LOCAL lock_timeout = '10s'")
      const setup = await plan(client, options)
      requirePrivileges(setup.steps)
      for (const { sql } of setup.steps) await client.query(sql)
      return { ...setup, applied: true }
    }),
  )
}

async function plan(client: ClientBase, options: ElectricSetupOptions): Promise<ElectricSetup> {
  const names = setupNames(options)
  const state = await readSetupState(client, names)
  const passwords = {
    electric: options.electricPassword ?? newPassword(),
    app: options.appPassword ?? newPassword(),
  }
  return {
    server: await checkServer(client),
    steps: setupSteps(state, names, passwords),
    applied: false,
    passwords: passwordsOfNewRoles(state, passwords),
    names,
  }
}

function requirePrivileges(steps: readonly SetupStep[]): void {
  const others = steps.filter(({ needsAdministrator }) => needsAdministrator)
  if (others.length === 0) return
  throw new SessionDbError(
    'forbidden',
    `The role of DATABASE_URL may not run some of the statements, so none were run. A superuser, or your provider's administrator, runs these in this database:

${others.map(({ sql, why }) => `${sql}; -- ${why}`).join('\n')}

Then run \`session-db setup-electric --apply\` again.`,
  )
}

function passwordsOfNewRoles(
  { electric, app }: SetupState,
  passwords: { electric: string; app: string },
): ElectricSetup['passwords'] {
  return {
    ...(electric === null && { electric: passwords.electric }),
    ...(app === null && { app: passwords.app }),
  }
}

function newPassword(): string {
  return randomBytes(24).toString('base64url')
}
