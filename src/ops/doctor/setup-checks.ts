import type { ClientBase } from 'pg'
import type { SetupNames } from '../electric-setup/names.ts'
import { readSetupState, type SetupState } from '../electric-setup/setup-state.ts'
import { type SetupStep, setupSteps } from '../electric-setup/setup-steps.ts'
import type { Finding } from '../finding.ts'

/** The message of each check that finds nothing missing. */
const COMPLETE: Record<SetupStep['topic'], (state: SetupState, names: SetupNames) => string> = {
  'electric-role': (_, { electricRole }) => `${electricRole} may replicate and read, nothing else`,
  'app-role': (_, { appRole }) => `${appRole} may read and write, nothing else`,
  publication: ({ replicated }, { publication }) =>
    `${publication} has the right owner and all ${replicated.length} tables`,
  'replica-identity': ({ replicated }) => `full on ${replicated.length} tables`,
}

/** Checks whether roles, grants, publication and replica identity match what `setup-electric` creates. */
export async function checkSetup(client: ClientBase, names: SetupNames): Promise<Finding[]> {
  const state = await readSetupState(client, names)
  const steps = setupSteps(state, names, { electric: '…', app: '…' })
  const findings = Object.entries(COMPLETE).map(([topic, describe]) =>
    fromSteps(
      topic,
      steps.filter((step) => step.topic === topic),
      describe(state, names),
    ),
  )
  return [...findings, ...excessPrivileges(state, names)]
}

function fromSteps(check: string, steps: readonly SetupStep[], complete: string): Finding {
  if (steps.length === 0) return { check, level: 'ok', message: complete }
  return {
    check,
    level: 'error',
    message: `missing: ${steps.map(({ sql }) => sql).join('; ')}`,
    fix: 'session-db setup-electric prints the statements, and runs them with --apply.',
  }
}

/** Setups that work with more privileges than they need. */
function excessPrivileges(state: SetupState, names: SetupNames): Finding[] {
  const findings: Finding[] = []
  const superusers = [
    ...(state.electric?.superuser ? [names.electricRole] : []),
    ...(state.app?.superuser ? [names.appRole] : []),
  ]
  for (const role of superusers) {
    findings.push({
      check: 'superuser',
      level: 'warning',
      message: `${role} is a superuser`,
      fix: `ALTER ROLE ${role} NOSUPERUSER; then session-db setup-electric --apply`,
    })
  }
  if (state.publication?.allTables) {
    findings.push({
      check: 'publication-all-tables',
      level: 'warning',
      message: `${names.publication} publishes every table, including those that no shape reads`,
      fix: `DROP PUBLICATION ${names.publication}; then session-db setup-electric --apply`,
    })
  }
  return findings
}
