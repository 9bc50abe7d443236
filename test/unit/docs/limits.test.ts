import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { errorStatus } from '../../../src/errors.ts'
import { MAX_BATCH_POLLS } from '../../../src/live/protocol.ts'
import type { RequestLimit } from '../../../src/server/http/limiter.ts'
import { defaultRequestLimits } from '../../../src/server/http/request-limits.ts'
import { defaultShapeLimits } from '../../../src/server/proxy/shape-proxy.ts'
import { DEFAULT_STATEMENT_TIMEOUT_MS } from '../../../src/server/store/create-session-store.ts'
import { tooMany } from '../../../src/server/store/errors.ts'
import { defaultUploadLimits } from '../../../src/server/uploads/upload-state.ts'
import { DEFAULT_MAX_BODY_BYTES } from '../../../src/server/write-handler.ts'
import { defaultLimits } from '../../../src/writes/limits.ts'

const read = (file: string) => readFile(join(import.meta.dirname, '../../..', file), 'utf8')
const [model, security] = await Promise.all([read('docs/security-model.md'), read('SECURITY.md')])

const entries = (prefix: string, limits: object) =>
  Object.entries(limits).map(([name, value]) => [`${prefix}.${name}`, value] as const)
const requestLimits = new Map<string, RequestLimit>([
  ['limits', defaultShapeLimits],
  ...(entries('requestLimits', defaultRequestLimits) as [string, RequestLimit][]),
])
const { deriveAtOnceBytes: _isNoLimit, ...uploadLimits } = defaultUploadLimits
const sizes = new Map<string, number>([
  ...entries('limits', defaultLimits),
  ...entries('uploads', uploadLimits),
  ['maxBodyBytes', DEFAULT_MAX_BODY_BYTES],
  ['statementTimeoutMs', DEFAULT_STATEMENT_TIMEOUT_MS],
])

/** Returns the rows of a page's tables by their columns' titles. */
function tablesOf(page: string): Record<string, string>[] {
  const rows: Record<string, string>[] = []
  let titles: string[] | undefined
  for (const line of page.split('\n')) {
    const cells = line.startsWith('|') ? line.slice(1, -1).split('|') : undefined
    if (cells === undefined) titles = undefined
    else if (titles === undefined) titles = cells.map((cell) => cell.trim())
    else if (!line.startsWith('| ---')) {
      const values = cells.map((cell) => cell.trim())
      rows.push(Object.fromEntries(titles.map((title, n) => [title, values[n] ?? ''])))
    }
  }
  return rows
}

const optionOf = (row: Record<string, string>) => row.option?.match(/`([^`]+)`/)?.[1]

/** Reads `8 MiB`, `60 s`, `20,000` and `100 per second` as a number. */
function numberOf(text: string | undefined): number {
  const [, digits = '', unit = ''] = text?.match(/^([\d,]+)(?: (MiB|s)\b)?/) ?? []
  const scale = { MiB: 1024 * 1024, s: 1_000 }[unit] ?? 1
  return Number(digits.replaceAll(',', '') || Number.NaN) * scale
}

const [requestRows, sizeRows] = [
  tablesOf(model).filter((row) => 'burst' in row),
  tablesOf(model).filter((row) => 'limit' in row),
]

describe('the security model', () => {
  test('states the defaults of the limits of requests', () => {
    const stated = requestRows.map((row) => [
      optionOf(row),
      {
        maxConcurrent: numberOf(row['at a time']),
        ...(row.waiting !== '–' && { maxWaiting: numberOf(row.waiting) }),
        requestsPerSecond: numberOf(row['per second']),
        burst: numberOf(row.burst),
      },
    ])
    expect(Object.fromEntries(stated)).toEqual(Object.fromEntries(requestLimits))
  })

  test('states the defaults of the limits of sizes and rows', () => {
    const stated = sizeRows.flatMap((row) =>
      row.option === '–' ? [] : [[optionOf(row), numberOf(row.default)]],
    )
    expect(Object.fromEntries(stated)).toEqual(Object.fromEntries(sizes))
    const polls = sizeRows.find(({ limit }) => limit === 'polls of a batch')
    expect(numberOf(polls?.default)).toBe(MAX_BATCH_POLLS)
  })

  test('states the codes of refusals', () => {
    for (const { code = '' } of sizeRows)
      expect(Object.keys(errorStatus)).toContain(code.slice(1, -1))
    for (const row of sizeRows) {
      const name = optionOf(row)?.match(/^limits\.(.+)/)?.[1]
      if (name !== undefined) expect(row.code, name).toBe(`\`${tooMany('', name, {}).code}\``)
    }
  })
})

test('SECURITY.md states the same defaults', () => {
  const rows = tablesOf(security)
  expect(rows.length).toBeGreaterThan(10)
  for (const row of rows) {
    const option = optionOf(row) ?? ''
    const ofRequests = requestLimits.get(option)
    expect(numberOf(row.default), option).toBe(ofRequests?.requestsPerSecond ?? sizes.get(option))
    if (ofRequests !== undefined) expect(row.default, option).toMatch(/ per second$/)
    const code = sizeRows.find((each) => each.option === row.option)?.code ?? '`rate_limited`'
    expect(row.code, option).toBe(code)
  }
  expect(rows.map(optionOf)).toEqual(expect.arrayContaining([...requestLimits.keys()]))
})
