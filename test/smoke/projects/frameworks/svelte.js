import { mount as mountComponent } from 'svelte'
import List from './List.svelte'

export function mount(db, target) {
  mountComponent(List, { target, props: { db } })
}
