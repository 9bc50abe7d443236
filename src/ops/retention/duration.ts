import { SessionDbError } from '../../errors.ts'

const UNITS: Record<string, number> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
}

/**
 * Reads a duration such as `90d`, `12h` or `2w`, and returns it in ms.
 *
 * @throws SessionDbError `invalid` for anything else.
 * @example
 * parseDuration('90d') // 7776000000
 */
export function parseDuration(text: string): number {
  const [, amount, unit] = /^(\d{1,6})([smhdw])$/.exec(text) ?? []
  const scale = UNITS[unit ?? '']
  if (amount !== undefined && scale !== undefined) return Number(amount) * scale
  throw new SessionDbError(
    'invalid',
    `"${text}" is no duration. Write a number and a unit: 90d, 12h or 2w (s, m, h, d, w).`,
  )
}
