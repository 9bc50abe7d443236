import { useLiveQuery } from '@tanstack/react-db'
import { createElement as h } from 'react'
import { createRoot } from 'react-dom/client'

export function mount(db, target) {
  function List() {
    const { data } = useLiveQuery((q) => q.from({ session: db.sessions }))
    return h(
      'ul',
      null,
      data.map(({ id, title }) => h('li', { key: id }, title)),
    )
  }
  createRoot(target).render(h(List))
}
