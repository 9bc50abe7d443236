import { useLiveQuery } from '@tanstack/vue-db'
import { createApp, h } from 'vue'

export function mount(db, target) {
  createApp({
    setup() {
      const { data } = useLiveQuery((q) => q.from({ session: db.sessions }))
      return () =>
        h(
          'ul',
          data.value.map(({ id, title }) => h('li', { key: id }, title)),
        )
    },
  }).mount(target)
}
