import type { TimelineFacet } from '@org/session-db/server'
import { useNavigate, useSearch } from '@tanstack/react-router'

interface FacetGroupProps {
  title: string
  /** The URL parameter of the selection. */
  param: 'kinds' | 'roles' | 'tools'
  facets: readonly TimelineFacet[]
  nameOf: (value: string) => string
}

/** The values of one property of the events, for selection. */
export function FacetGroup({ title, param, facets, nameOf }: FacetGroupProps) {
  const search = useSearch({ from: '/_app/sessions/$sessionId' })
  const navigate = useNavigate({ from: '/sessions/$sessionId' })
  const chosen: readonly string[] = search[param] ?? []
  if (facets.length === 0) return null

  function choose(value: string, isChosen: boolean) {
    const values = isChosen ? [...chosen, value] : chosen.filter((other) => other !== value)
    const change = { [param]: values.length > 0 ? values : undefined }
    navigate({ search: (before) => ({ ...before, ...change }), replace: true })
  }

  return (
    <fieldset className="not-first:mt-3">
      <legend className="mb-1 text-xs font-medium text-muted-foreground">{title}</legend>
      <div className="max-h-48 overflow-y-auto">
        {facets.map(({ value, count }) => (
          <label
            key={value}
            className="flex cursor-pointer items-center gap-2 rounded-md px-1.5 py-1 text-[13px] hover:bg-muted"
          >
            <input
              type="checkbox"
              data-testid={`facet-${value}`}
              checked={chosen.includes(value)}
              onChange={(event) => choose(value, event.target.checked)}
              className="size-4 accent-accent"
            />
            <span className="min-w-0 flex-1 truncate">{nameOf(value)}</span>
            <span className="text-xs text-muted-foreground tabular-nums">
              {count.toLocaleString()}
            </span>
          </label>
        ))}
      </div>
    </fieldset>
  )
}
