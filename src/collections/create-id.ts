import { v7 as uuidv7 } from 'uuid'

/** Creates an id: a UUIDv7, unique and sorting after earlier ones. */
export function createId(): string {
  return uuidv7()
}
