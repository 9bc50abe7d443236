const SPECIAL = /[\\\n\r\t]/

/** A line of COPY's text format; null is NULL. */
export function copyLine(values: readonly (string | number | null)[]): string {
  let line = ''
  for (let column = 0; column < values.length; column++) {
    if (column > 0) line += '\t'
    const value = values[column]
    if (value === null || value === undefined) line += '\\N'
    else if (typeof value === 'number' || !SPECIAL.test(value)) line += value
    else line += escaped(value)
  }
  return `${line}\n`
}

function escaped(value: string): string {
  return value
    .replaceAll('\\', '\\\\')
    .replaceAll('\n', '\\n')
    .replaceAll('\r', '\\r')
    .replaceAll('\t', '\\t')
}
