import { fc } from './property.ts'

/** A property whose name is one character that JSON escapes. */
const MISREAD = /"\\["\\nrtbf]":/

/**
 * Any JSON value except those that Node 24.21 misreads: its `JSON.parse('{"a":1,"\\n":1}')` may name
 * the property `\`.
 */
export function jsonValues(): fc.Arbitrary<fc.JsonValue> {
  return fc.jsonValue().filter((value) => !MISREAD.test(JSON.stringify(value)))
}
