/** A name as it stands in SQL that a person may read and run: the plan is made where `pg` may be missing. */
export function escapeIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** A text as it stands in SQL, whatever `standard_conforming_strings` says. */
export function escapeLiteral(text: string): string {
  const quoted = `'${text.replaceAll("'", "''").replaceAll('\\', '\\\\')}'`
  return text.includes('\\') ? ` E${quoted}` : quoted
}
