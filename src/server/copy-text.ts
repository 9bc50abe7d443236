const SPECIAL = /[\\\n\r\t]/

/** Formats values as a line for COPY in text format; null is NULL. */
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

/** Most texts contain few of these characters, so checking is cheaper than replacing each. */
function escaped(value: string): string {
  let text = value
  if (text.includes('\\')) text = text.replaceAll('\\', '\\\\')
  if (text.includes('\n')) text = text.replaceAll('\n', '\\n')
  if (text.includes('\r')) text = text.replaceAll('\r', '\\r')
  if (text.includes('\t')) text = text.replaceAll('\t', '\\t')
  return text
}
