import { randomBytes } from 'node:crypto'
import type { ClientBase } from 'pg'
import { transaction } from '../../server/in-transaction.ts'
import { withClient } from '../../server/with-client.ts'
import { checkServer } from '../doctor/server-checks.ts'
import type { Finding } from '../finding.ts'
import { planElectricSetup, type SetupStep } from './plan-electric-setup.ts'
import { readSetupState, type SetupState } from './read-setup-state.ts'
import { type ElectricSetupOptions, type SetupNames, setupNames } from './setup-options.ts'

/** What is to be done, or has been. */
export interface ElectricSetup {
  /** What the server itself lacks; no statement here can give it. */
  readonly server: readonly Finding[]
  /** The statements that are, or were, needed, in order; none when all is there. */
  readonly steps: readonly SetupStep[]
  readonly applied: boolean
  /** Passwords of the roles that these steps make. */
  readonly passwords: { readonly electric?: string; readonly app?: string }
  readonly names: SetupNames
}

/**
 * Says which statements a database still needs so that Electric can replicate from it with the least
 * privilege (`ELECTRIC_MANUAL_TABLE_PUBLISHING=true`), and the app can use it as a role that can
 * neither replicate nor change tables. Runs none of them.
 *
 * @throws SessionDbError `unavailable` when the database cannot be reached, `invalid` when a table is
 * not there.
 * @example
 * const { steps } = await planSetup({ database: process.env.DATABASE_URL })
 * for (const { sql } of steps) console.log(`${sql};`)
 */
export function planSetup(options: ElectricSetupOptions): Promise<ElectricSetup> {
  return withClient(options.database, (client) => plan(client, options))
}

/**
 * Runs what `planSetup` says, in one transaction. Doing it again changes nothing.
 *
 * @throws SessionDbError as `planSetup`; Postgres's own error when this role may not do it, and then
 * nothing has changed.
 * @example
 * const { passwords } = await applySetup({ database: process.env.DATABASE_URL })
 */
export function applySetup(options: ElectricSetupOptions): Promise<ElectricSetup> {
  return withClient(options.database, (client) =>
    transaction(client, async () => {
      // Whoever holds one of the tables for long should not be queued behind.
      await client.query("SET LOCAL lock_timeout = '10s'")
      const setup = await plan(client, options)
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
    steps: planElectricSetup(state, names, passwords),
    applied: false,
    passwords: madeOnly(state, passwords),
    names,
  }
}

function madeOnly(
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
