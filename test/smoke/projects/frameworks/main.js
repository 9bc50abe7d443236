import { mount } from '#framework'
import { openCollections } from './shared.js'

/** Shows the sessions in a list, and inserts one. */
export function start(target) {
  const db = openCollections()
  mount(db, target)
  return (title) => db.sessions.insert({ title })
}
