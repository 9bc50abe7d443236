import type { Recording } from './recording.ts'

/** Thrown for a difference between a recorded and an actual value. */
export class Difference extends Error {
  override name = 'Difference'
}

/** The placeholders of one recording, bound to this run's values on first sight. */
export interface Placeholders {
  bind(name: string, value: string): void
  /** Replaces placeholders in a value to send. */
  fill(text: string): string
  /** @throws Difference */
  matchText(expected: string, actual: string, where: string): void
  /** Returns whether a transaction id belongs to this recording. */
  isOwnTxid(id: string): boolean
  /** Runs `work`; if it throws, its bindings are undone. */
  attempt(work: () => void): void
}

const patterns: Record<string, string> = {
  handle: '\\d+-\\d+',
  txid: '\\d+',
  xid: '\\d+',
  lsn: '\\d+',
  cursor: '\\d+',
  tag: '[0-9a-f]{32}',
  mark: '\\d+',
  mono: '-?\\d+',
  'retry-after': '(?:6|7|8|9|10)',
}

const placeholder = /\{\{([a-z-]+)(?::([^}]+))?\}\}/g

/** Creates the unbound placeholders of a recording. */
export function createPlaceholders(recording: Recording): Placeholders {
  const bound = new Map<string, string>()

  // {{offset:1}} stands for {{lsn:1}}_2, according to the file.
  const expand = (text: string) =>
    text.replaceAll(/\{\{offset:[^}]+\}\}/g, (name) => recording.placeholders[name] ?? name)

  function check(name: string, kind: string, value: string, where: string): void {
    if (name === '{{lsn:*}}' || kind === 'mono' || kind === 'retry-after') return
    if (kind === 'xid') {
      const smaller = recording.txidOrder.filter((txid) => {
        const own = bound.get(txid)
        return own !== undefined && BigInt(own) < BigInt(value)
      })
      if (`{{xid:${smaller.length}}}` === name) return
      throw new Difference(
        `${where}: expected ${name}, got ${value}, above ${smaller.length} of the transactions`,
      )
    }
    const known = bound.get(name)
    if (known === undefined) bound.set(name, value)
    else if (known !== value) {
      throw new Difference(`${where}: expected ${name} = ${known}, got ${value}`)
    }
  }

  return {
    bind: (name, value) => void bound.set(name, value),
    fill: (text) =>
      expand(text).replaceAll(placeholder, (name) => {
        const value = bound.get(name)
        if (value === undefined) throw new Difference(`${name} is needed before it was seen`)
        return value
      }),
    matchText(expected, actual, where) {
      const names: [string, string][] = []
      let pattern = ''
      let end = 0
      const text = expand(expected)
      for (const match of text.matchAll(placeholder)) {
        const [name, kind = ''] = match
        pattern += `${escapeRegExp(text.slice(end, match.index))}(${patterns[kind] ?? '.*'})`
        end = match.index + name.length
        names.push([name, kind])
      }
      pattern += escapeRegExp(text.slice(end))
      const found = new RegExp(`^${pattern}$`, 's').exec(actual)
      if (!found) {
        throw new Difference(`${where}: expected ${short(expected)}, got ${short(actual)}`)
      }
      for (const [i, [name, kind]] of names.entries()) check(name, kind, found[i + 1] ?? '', where)
    },
    isOwnTxid: (id) => recording.txidOrder.some((txid) => bound.get(txid) === id),
    attempt(work) {
      const before = new Set(bound.keys())
      try {
        work()
      } catch (error) {
        for (const name of bound.keys()) if (!before.has(name)) bound.delete(name)
        throw error
      }
    },
  }
}

/** A value short enough for one line. */
export function short(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'nothing')
  return text.length > 160 ? `${text.slice(0, 157)}…` : text
}

function escapeRegExp(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
}
