import type { ResolvedShape } from '../../shapes/resolve-shape.ts'

/** Where Electric is, and what it wants to hear from those who may ask it. */
export interface Upstream {
  /** Base URL of Electric, for example `http://electric:3000`. */
  readonly electricUrl: string
  /** `ELECTRIC_SECRET` of the engine. */
  readonly secret?: string | undefined
}

/** Builds the engine's URL for a shape; called once per request. */
export type UpstreamUrl = (shape: ResolvedShape, protocol: ReadonlyMap<string, string>) => string

/**
 * Prepares the URLs to ask Electric with. Parameters that `electricUrl` itself carries stay.
 *
 * @throws TypeError when `electricUrl` is not an http(s) URL or holds a password.
 */
export function createUpstreamUrl({ electricUrl, secret }: Upstream): UpstreamUrl {
  const { origin, pathname, searchParams } = parseElectricUrl(electricUrl)
  const endpoint = `${origin}${pathname.replace(/\/+$/, '')}/v1/shape`
  if (secret !== undefined) searchParams.set('secret', secret)
  return (shape, protocol) => {
    // On their own: those of a URL write it anew each time one is set.
    const query = new URLSearchParams(searchParams)
    for (const [name, value] of protocol) query.set(name, value)
    const columns = shape.columns.map(electricIdentifier).join(',')
    query.set('table', shape.table.split('.').map(electricIdentifier).join('.'))
    query.set('columns', columns)
    query.set('queryable_columns', columns)
    query.set('where', shape.where)
    shape.params.forEach((value, index) => {
      query.set(`params[${index + 1}]`, value)
    })
    return `${endpoint}?${query}`
  }
}

function parseElectricUrl(electricUrl: string): URL {
  const url = URL.canParse(electricUrl) ? new URL(electricUrl) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.username || url.password) {
    throw new TypeError(
      'electricUrl must be an http or https URL without user and password, such as http://localhost:3000. Give the secret as `secret`.',
    )
  }
  return url
}

/** Electric folds unquoted names to lower case, as Postgres does, and takes no spaces in them. */
function electricIdentifier(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`
}
