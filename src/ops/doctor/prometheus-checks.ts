import type { Finding } from '../finding.ts'

/** What is known of Electric's metrics port. */
export interface PrometheusTarget {
  /** Where Electric serves its metrics (`ELECTRIC_PROMETHEUS_PORT`), for example `http://electric:9090/metrics`. */
  readonly url?: string | undefined
  /** A Prometheus that should scrape it, for example `http://prometheus:9090`. */
  readonly prometheusUrl?: string | undefined
}

const TIMEOUT_MS = 5_000

/**
 * Whether somebody scrapes Electric's metrics: a port that is open and never scraped keeps every
 * measurement in memory for ever. Only Prometheus itself knows, so it is asked for its targets.
 */
export async function checkPrometheus({ url, prometheusUrl }: PrometheusTarget): Promise<Finding> {
  const check = 'prometheus'
  if (url === undefined) {
    return { check, level: 'skipped', message: 'no metrics URL of Electric given' }
  }
  const open = await status(url)
  if (open === undefined)
    return { check, level: 'ok', message: 'the port is closed: nothing piles up' }
  if (prometheusUrl === undefined) {
    return {
      check,
      level: 'warning',
      message: 'the metrics port is open, and nothing says who scrapes it',
      fix: 'Scrape it, or unset ELECTRIC_PROMETHEUS_PORT. Name the Prometheus (--prometheus-url) to have this looked up.',
    }
  }
  const scraped = await isScraped(prometheusUrl, url)
  if (scraped instanceof Error) {
    return {
      check,
      level: 'error',
      message: `no targets from Prometheus: ${scraped.message}`,
      fix: 'Correct --prometheus-url.',
    }
  }
  if (scraped) return { check, level: 'ok', message: 'scraped' }
  return {
    check,
    level: 'error',
    message: 'the metrics port is open and never scraped: Electric’s memory grows until it ends',
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
    if (!response.ok) return new Error(`it answers ${response.status}`)
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
