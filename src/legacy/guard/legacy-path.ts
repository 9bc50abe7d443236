/** Stands for text that is not known before the program runs. */
export const UNKNOWN = '\uFFFF'

const stems = ['chat-threads', 'chat-messages', 'chat-tool-events'] as const
const names = stems.map((stem) => `${stem}.json`)

/** Whether a text is the name of a legacy snapshot, without its extension. */
export function isLegacyStem(text: string): boolean {
  return (stems as readonly string[]).includes(text)
}

/**
 * Whether a path leads to a legacy snapshot. It may hold `UNKNOWN` for parts that are not known, and
 * `*` as a glob does.
 *
 * @param stemsAbout whether such a stem stands alone in the same code; then an unknown file name in
 * `data` is taken for it.
 */
export function isLegacyPath(path: string, stemsAbout = false): boolean {
  const clean = path.replace(/[?#].*$/s, '')
  const cut = Math.max(clean.lastIndexOf('/'), clean.lastIndexOf('\\'))
  const base = clean.slice(cut + 1)
  const before = clean.slice(0, Math.max(0, cut))
  if (/\s/.test(before) && !/^(?:[.~/\\\uFFFF]|[a-z]:)/i.test(before)) return false
  if (names.includes(base)) return true
  if (!base.includes(UNKNOWN) && !base.includes('*')) return false
  if (!names.some((name) => asPattern(base).test(name))) return false
  const known = base.replaceAll(UNKNOWN, '').replaceAll('*', '')
  if (names.some((name) => known === name)) return true
  const inData = /(?:^|[/\\\uFFFF])data$/.test(before)
  return inData && (/^[^.]{4}/.test(known) || (stemsAbout && known.endsWith('.json')))
}

function asPattern(base: string): RegExp {
  const source = [...base].map((character) =>
    character === UNKNOWN || character === '*'
      ? '.*'
      : character.replace(/[\\^$.|?+()[\]{}]/, '\\$&'),
  )
  return new RegExp(`^${source.join('')}$`, 's')
}
