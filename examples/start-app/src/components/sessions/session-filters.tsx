import { useNavigate, useSearch } from '@tanstack/react-router'
import { SearchField } from '#/components/ui/search-field'
import { Select } from '#/components/ui/select'
import { formatNames, type SessionListSearch, statusNames } from '#/lib/session-search'
import { useRepos } from './use-sessions'

const options = <Key extends string>(names: Record<Key, string>) =>
  (Object.entries(names) as [Key, string][]).map(([value, label]) => ({ value, label }))

/** The filters of the list. They are in the URL, so that reloads and shared links keep them. */
export function SessionFilters() {
  const { q = '', format, repo, status } = useSearch({ from: '/_app' })
  const navigate = useNavigate()
  const repos = useRepos()
  const set = (change: SessionListSearch) =>
    navigate({ to: '.', search: (search) => ({ ...search, ...change }), replace: true })
  return (
    <div className="shrink-0 space-y-1.5 px-3 pb-2">
      <SearchField
        label="Search sessions"
        placeholder="Search titles and timelines"
        testId="session-search"
        value={q}
        onChange={(text) => set({ q: text.trim() || undefined })}
      />
      <div className="flex gap-1.5">
        <Select
          label="Format"
          testId="filter-format"
          all="Format"
          value={format}
          options={options(formatNames)}
          onChange={(next) => set({ format: next })}
        />
        <Select
          label="Repository"
          testId="filter-repo"
          all="Repo"
          value={repo}
          options={repos.map((value) => ({ value, label: value }))}
          onChange={(next) => set({ repo: next })}
        />
        <Select
          label="Status"
          testId="filter-status"
          all="Status"
          value={status}
          options={options(statusNames)}
          onChange={(next) => set({ status: next })}
        />
      </div>
    </div>
  )
}
