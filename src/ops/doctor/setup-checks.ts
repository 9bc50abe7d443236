import type { ClientBase } from 'pg'
import {
  planElectricSetup,
  type SetupStep,
  type SetupTopic,
} from '../electric-setup/plan-electric-setup.ts'
import { readSetupState, type SetupState } from '../electric-setup/read-setup-state.ts'
import type { SetupNames } from '../electric-setup/setup-options.ts'
import type { Finding } from '../finding.ts'

const TOPICS: Record<SetupTopic, (state: SetupState, names: SetupNames) => string> = {
  'electric-role': (_, { electricRole }) => `${electricRole} may replicate and read, no more`,
  'app-role': (_, { appRole }) => `${appRole} may read and write, no more`,
  publication: ({ replicated }, { publication }) =>
    `${publication} has its ${replicated.length} tables and owner`,
  'replica-identity': ({ replicated }) => `full on ${replicated.length} tables`,
}

/** Whether roles, grants, publication and replica identity are as `setup-electric` would leave them. */
export async function checkSetup(client: ClientBase, names: SetupNames): Promise<Finding[]> {
  const state = await readSetupState(client, names)
  const steps = planElectricSetup(state, names, { electric: '…', app: '…' })
  const findings = Object.entries(TOPICS).map(([topic, describe]) =>
    fromSteps(
      topic,
      steps.filter((step) => step.topic === topic),
      describe(state, names),
    ),
  )
  return [...findings, ...tooMuch(state, names)]
}

function fromSteps(check: string, steps: readonly SetupStep[], fine: string): Finding {
  if (steps.length === 0) return { check, level: 'ok', message: fine }
  return {
    check,
    level: 'error',
    message: `still needed: ${steps.map(({ sql }) => sql).join('; ')}`,
    fix: 'session-db setup-electric shows the statements, with --apply it runs them.',
  }
}

/** What works and is nevertheless more than it should be. */
function tooMuch(state: SetupState, names: SetupNames): Finding[] {
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
      message: `${names.publication} publishes every table, also those no shape reads`,
      fix: `DROP PUBLICATION ${names.publication}; then session-db setup-electric --apply`,
    })
  }
  return findings
}
