import { v7 as uuidv7 } from 'uuid'

/** Makes a new id, a UUIDv7: unique, and later ones sort after earlier ones. */
export function createId(): string {
  return uuidv7()
}
