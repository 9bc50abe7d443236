const SPECIAL = /[\\\n\r\t]/
const ALL_SPECIAL = /[\\\n\r\t]/g
const ESCAPES: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
}

/** A line of COPY's text format; null is NULL. */
export function copyLine(values: readonly (string | number | null)[]): string {
  let line = ''
  for (let column = 0; column < values.length; column++) {
    if (column > 0) line += '\t'
    const value = values[column]
    if (value === null || value === undefined) line += '\\N'
    else if (typeof value === 'number' || !SPECIAL.test(value)) line += value
    else line += value.replace(ALL_SPECIAL, (character) => ESCAPES[character] as string)
  }
  return `${line}\n`
}
