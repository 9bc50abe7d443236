import type { Finding } from '../finding.ts'

interface PrometheusTarget {
  /** Electric's metrics (`ELECTRIC_PROMETHEUS_PORT`), for example `http://electric:9090/metrics`. */
  readonly url?: string | undefined
  /** The Prometheus that scrapes them, for example `http://prometheus:9090`. */
  readonly prometheusUrl?: string | undefined
}

const TIMEOUT_MS = 5_000

/**
 * Checks whether Electric's metrics are scraped. Electric keeps every measurement in memory until the
 * next scrape, so an open port that is never scraped leaks. Only Prometheus knows its targets.
 */
export async function checkPrometheus({ url, prometheusUrl }: PrometheusTarget): Promise<Finding> {
  const check = 'prometheus'
  if (url === undefined) {
    return { check, level: 'skipped', message: 'pass --electric-metrics-url to check scraping' }
  }
  const open = await status(url)
  if (open === undefined) return { check, level: 'ok', message: 'the metrics port is closed' }
  if (prometheusUrl === undefined) {
    return {
      check,
      level: 'warning',
      message: 'the metrics port is open; whether Prometheus scrapes it is unknown',
      fix: 'Pass --prometheus-url to check it. Without Prometheus, unset ELECTRIC_PROMETHEUS_PORT.',
    }
  }
  const scraped = await isScraped(prometheusUrl, url)
  if (scraped instanceof Error) {
    return {
      check,
      level: 'error',
      message: `cannot read the targets of Prometheus: ${scraped.message}`,
      fix: 'Correct --prometheus-url.',
    }
  }
  if (scraped) return { check, level: 'ok', message: 'scraped' }
  return {
    check,
    level: 'error',
    message: 'the metrics port is open and never scraped: Electric’s memory grows without limit',
    fix: 'Add it to Prometheus, or unset ELECTRIC_PROMETHEUS_PORT.',
  }
}

async function status(url: string): Promise<number | undefined> {
  try {
    const response = await fetch(url, { method: 'HEAD', signal: AbortSignal.timeout(TIMEOUT_MS) })
    await response.body?.cancel()
    return response.status
  } catch {
    return undefined
  }
}

interface Targets {
  readonly data?: {
    readonly activeTargets?: readonly { readonly scrapeUrl?: string; readonly health?: string }[]
  }
}

async function isScraped(prometheusUrl: string, url: string): Promise<boolean | Error> {
  try {
    const response = await fetch(new URL('/api/v1/targets?state=active', prometheusUrl), {
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
    if (!response.ok) return new Error(`HTTP ${response.status}`)
    const { data } = (await response.json()) as Targets
    const { host, pathname } = new URL(url)
    return (data?.activeTargets ?? []).some(({ scrapeUrl, health }) => {
      const target = scrapeUrl === undefined ? undefined : new URL(scrapeUrl)
      return target?.host === host && target.pathname === pathname && health === 'up'
    })
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}
