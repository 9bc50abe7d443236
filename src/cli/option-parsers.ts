import { InvalidArgumentError } from 'commander'

/** Parses a TCP port. */
export function parsePort(text: string): number {
  return parseInteger(text, 1, 65_535)
}

/** Parses a whole number of bytes, at least one. */
export function parseBytes(text: string): number {
  return parseInteger(text, 1, Number.MAX_SAFE_INTEGER)
}

/** Gathers the values of an option that may be given several times. */
export function collect<Value>(
  parse: (text: string) => Value,
): (text: string, before?: readonly Value[]) => Value[] {
  return (text, before = []) => [...before, parse(text)]
}

function parseInteger(text: string, min: number, max: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (value >= min && value <= max) return value
  throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`)
}
