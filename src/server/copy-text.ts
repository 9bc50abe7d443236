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

/** Most texts hold one or two of these: to look for each is cheaper than to replace none of it. */
function escaped(value: string): string {
  let text = value
  if (text.includes('\\')) text = text.replaceAll('\\', '\\\\')
  if (text.includes('\n')) text = text.replaceAll('\n', '\\n')
  if (text.includes('\r')) text = text.replaceAll('\r', '\\r')
  if (text.includes('\t')) text = text.replaceAll('\t', '\\t')
  return text
}
