/**
 * Text that an agent injects in the user's name, such as its environment or the contents of a file. Each
 * agent has one table of such rules.
 */
export interface ContextRules {
  /** Names of elements that are context; `*` at an end matches any rest. */
  readonly tags: readonly string[]
  /** Beginnings of texts that are context as a whole. */
  readonly starts: readonly string[]
  /** Headings after which the user's own words follow. */
  readonly requests?: readonly string[]
}

/** A text of a user's turn, separated. */
export interface SplitPrompt {
  /** The injected parts, empty if there are none. */
  readonly context: string
  /** The user's own words, empty if there are none. */
  readonly prompt: string
}

const OPENING = /^<([A-Za-z][\w.:-]{0,99})(?:\s[^<>]{0,2000})?>/
const CLOSING = /<\/([A-Za-z][\w.:-]{0,99})>$/
/** Elements that are separated from one text. */
const MOST_ELEMENTS = 200

/** Returns a function that separates injected context from the user's own words. */
export function createPromptSplitter({
  tags,
  starts,
  requests = [],
}: ContextRules): (text: string, options?: { readonly isFirst?: boolean }) => SplitPrompt {
  const names = new Set(tags.filter((tag) => !tag.includes('*')))
  const heads = tags.filter((tag) => tag.endsWith('*')).map((tag) => tag.slice(0, -1))
  const tails = tags.filter((tag) => tag.startsWith('*')).map((tag) => tag.slice(1))
  const isContext = (name: string) =>
    names.has(name) ||
    heads.some((head) => name.startsWith(head)) ||
    tails.some((tail) => name.endsWith(tail))

  /** Returns the end of the context that a text starts with, 0 if it starts with none. */
  function contextEnd(text: string): number {
    const name = OPENING.exec(text.slice(0, 2_200))?.[1]
    if (name !== undefined && isContext(name)) return elementEnd(text, name)
    return starts.some((start) => text.startsWith(start)) ? startEnd(text) : 0
  }

  return (text, { isFirst = false } = {}) => {
    const context: string[] = []
    let rest = text.trim()
    for (const request of requests) {
      const at = rest.indexOf(request)
      if (at < 0 || !starts.some((start) => rest.startsWith(start))) continue
      return { context: rest.slice(0, at).trim(), prompt: rest.slice(at + request.length).trim() }
    }
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
    // New tags appear every month: before the first prompt, an element of any name is context.
    if (isFirst && isOneElement(rest)) {
      context.push(rest)
      rest = ''
    }
    return { context: context.join('\n'), prompt: rest }
  }
}

function elementEnd(text: string, name: string): number {
  const closing = `</${name}>`
  const at = text.indexOf(closing)
  return at < 0 ? text.length : at + closing.length
}

/** A text such as `# AGENTS.md instructions` ends with its block of instructions, if it has one. */
function startEnd(text: string): number {
  const closing = '</INSTRUCTIONS>'
  const at = text.indexOf(closing)
  return at < 0 ? text.length : at + closing.length
}

function isOneElement(text: string): boolean {
  const name = OPENING.exec(text.slice(0, 2_200))?.[1]
  return name !== undefined && text.endsWith(`</${name}>`) && elementEnd(text, name) === text.length
}
