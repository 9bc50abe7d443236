import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Pool } from 'pg'
import { beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { createMetrics } from '../../../src/metrics.ts'

const root = join(import.meta.dirname, '../../..')
const monitoring = join(root, 'deploy/monitoring')
/** Names of the metrics, and their labels. */
const known = new Map<string, readonly string[]>()

interface Described {
  readonly name: string
  readonly labelNames?: readonly string[]
}

beforeAll(() => {
  const metrics = createMetrics()
  const pool = {} as Pool
  metrics.watchReplication({ database: pool })
  metrics.watchUploads({ database: pool })
  for (const metric of metrics.registry.getMetricsAsArray()) {
    const { name, labelNames = [] } = metric as unknown as Described
    known.set(name, labelNames)
  }
})

/** Returns the metrics and labels of a query that don't exist. */
function unknownIn(query: string): string[] {
  const found = [...query.matchAll(/\bsession_db_\w+/g)].map(([name]) => name)
  expect(found).not.toEqual([])
  const base = (name: string) => name.replace(/_(?:bucket|sum|count)$/, '')
  const labels = found.flatMap((name) => [...(known.get(base(name)) ?? []), 'le'])
  const used = [
    ...[...query.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list = '']) => list.split(/, */)),
    ...[...query.matchAll(/(\w+)(?:=~|!=|=)"/g)].map(([, label = '']) => label),
  ]
  return [
    ...found.filter((name) => !known.has(name) && !known.has(base(name))),
    ...used.filter((label) => !labels.includes(label)),
  ]
}

describe('the queries of', () => {
  test('the dashboard name existing metrics and labels, and show all metrics', async () => {
    const text = await readFile(join(monitoring, 'grafana-dashboard.json'), 'utf8')
    const { panels } = JSON.parse(text) as { panels: { targets: { expr: string }[] }[] }
    const queries = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr))
    expect(queries.flatMap(unknownIn)).toEqual([])
    expect([...known.keys()].filter((name) => !queries.join('\n').includes(name))).toEqual([])
  })

  test('the alerts name existing metrics and labels, and the guide lists each', async () => {
    const text = await readFile(join(monitoring, 'alerts.yaml'), 'utf8')
    const { groups } = parse(text) as { groups: { rules: { alert: string; expr: string }[] }[] }
    const rules = groups.flatMap((group) => group.rules)
    expect(rules.flatMap(({ expr }) => unknownIn(expr))).toEqual([])
    const guide = await readFile(join(root, 'docs/operations.md'), 'utf8')
    expect(rules.filter(({ alert }) => !guide.includes(`\`${alert}\``))).toEqual([])
  })

  test('a query with a typing error would be found', () => {
    expect(unknownIn('rate(session_db_write_total{reslt="ok"}[5m])')).toEqual([
      'session_db_write_total',
      'reslt',
    ])
  })
})
