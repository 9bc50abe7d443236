import { useLiveQuery } from '@tanstack/solid-db'
import { For } from 'solid-js'
import { createComponent, render } from 'solid-js/web'

export function mount(db, target) {
  render(() => {
    const sessions = useLiveQuery((q) => q.from({ session: db.sessions }))
    return createComponent(For, {
      get each() {
        return sessions()
      },
      children: ({ title }) => title,
    })
  }, target)
}
