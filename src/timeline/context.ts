/**
 * Text that an agent injects in the user's name, such as its environment or the contents of a file. Each
 * agent has one table of such rules.
 */
export interface ContextRules {
  /** Names of elements that are context, in lower case; `*` at an end matches any rest. */
  readonly tags: readonly string[]
  /** Beginnings of texts that are context as a whole. */
  readonly starts: readonly string[]
  /** Headings after which the user's own words follow, in a text that starts with a heading. */
  readonly requests?: readonly string[]
  /** Openings and ends of blocks that are context wherever they are. */
  readonly blocks?: readonly (readonly [opening: string, end: string])[]
}

/** A text of a user's turn, separated. */
export interface SplitPrompt {
  /** The injected parts, empty if there are none. */
  readonly context: string
  /** The user's own words, empty if there are none. */
  readonly prompt: string
}

const OPENING = /^<([A-Za-z][\w.:-]{0,99})(\s[^<>]{0,2000})?(\/)?>/
const CLOSING = /<\/([A-Za-z][\w.:-]{0,99})>$/
/** Elements that are separated from one text. */
const MOST_ELEMENTS = 200
/** Agents put these between the user's own words, too. */
const REMINDER: readonly [string, string] = ['<system-reminder>', '</system-reminder>']

/** Returns a function that separates injected context from the user's own words. */
export function createPromptSplitter({
  tags,
  starts,
  requests = [],
  blocks = [],
}: ContextRules): (text: string, options?: { readonly isFirst?: boolean }) => SplitPrompt {
  const names = new Set(tags.filter((tag) => !tag.includes('*')))
  const heads = tags.filter((tag) => tag.endsWith('*')).map((tag) => tag.slice(0, -1))
  const tails = tags.filter((tag) => tag.startsWith('*')).map((tag) => tag.slice(1))
  const isContext = (written: string) => {
    const name = written.toLowerCase()
    return (
      names.has(name) ||
      heads.some((head) => name.startsWith(head)) ||
      tails.some((tail) => name.endsWith(tail))
    )
  }

  /** Returns the end of the context that a text starts with, 0 if it starts with none. */
  function contextEnd(text: string): number {
    const name = OPENING.exec(text.slice(0, 2_200))?.[1]
    if (name !== undefined && isContext(name)) return elementEnd(text) ?? text.length
    if (text.startsWith('#')) {
      const request = requests.find((each) => text.includes(each))
      if (request !== undefined) return text.indexOf(request) + request.length
    }
    return starts.some((start) => text.startsWith(start)) ? startEnd(text) : 0
  }

  return (text, { isFirst = false } = {}) => {
    const context: string[] = []
    let rest = withoutBlocks(text, [REMINDER, ...blocks], context).trim()
    for (let count = 0; rest !== '' && count < MOST_ELEMENTS; count++) {
      const end = contextEnd(rest)
      if (end === 0) break
      context.push(rest.slice(0, end))
      rest = rest.slice(end).trimStart()
    }
    for (let count = 0; rest !== '' && count < MOST_ELEMENTS; count++) {
      const name = CLOSING.exec(rest.slice(-110))?.[1]
      const start = name !== undefined && isContext(name) ? rest.lastIndexOf(`<${name}`) : -1
      if (start < 0) break
      context.push(rest.slice(start))
      rest = rest.slice(0, start).trimEnd()
    }
    // New tags appear every month: before the first prompt, elements of any name are context.
    if (isFirst && isOnlyElements(rest)) {
      context.push(rest)
      rest = ''
    }
    return { context: context.join('\n'), prompt: rest }
  }
}

/** Returns true for a text that consists of elements. */
export function isOnlyElements(text: string): boolean {
  let rest = text.trim()
  for (let count = 0; rest !== '' && count < MOST_ELEMENTS; count++) {
    const end = elementEnd(rest)
    if (end === undefined) return false
    rest = rest.slice(end).trimStart()
  }
  return rest === '' && /\S/.test(text)
}

/** Removes blocks from a text and adds them to `removed`. Blocks without an end stay. */
function withoutBlocks(
  text: string,
  blocks: readonly (readonly [opening: string, end: string])[],
  removed: string[],
): string {
  let rest = text
  for (const [opening, end] of blocks) {
    const kept: string[] = []
    let from = 0
    for (let start = rest.indexOf(opening); start >= 0; start = rest.indexOf(opening, from)) {
      const close = rest.indexOf(end, start + opening.length)
      if (close < 0 || kept.length >= MOST_ELEMENTS) break
      kept.push(rest.slice(from, start))
      from = close + end.length
      removed.push(rest.slice(start, from))
    }
    if (from > 0) rest = kept.join('') + rest.slice(from)
  }
  return rest
}

/**
 * Returns the end of the element that a text starts with, which may contain others of its name; undefined if
 * there is none.
 */
function elementEnd(text: string): number | undefined {
  const opened = OPENING.exec(text.slice(0, 2_200))
  const name = opened?.[1]
  if (opened === null || name === undefined) return undefined
  if (opened[3] !== undefined || opened[2]?.endsWith('/')) return opened[0].length
  const [opening, closing] = [`<${name}>`, `</${name}>`]
  const first = text.indexOf(closing)
  if (first < 0) return undefined
  let depth = 1
  let open = text.indexOf(opening, opened[0].length)
  for (let close = first; close >= 0; close = text.indexOf(closing, close + 1)) {
    while (open >= 0 && open < close) {
      depth += 1
      open = text.indexOf(opening, open + 1)
    }
    depth -= 1
    if (depth === 0) return close + closing.length
  }
  // Not every mention of a tag opens an element.
  return first + closing.length
}

/** A text such as `# AGENTS.md instructions` ends with its block of instructions, if it has one. */
function startEnd(text: string): number {
  const closing = '</INSTRUCTIONS>'
  const at = text.indexOf(closing)
  return at < 0 ? text.length : at + closing.length
}
