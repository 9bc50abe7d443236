import type { Amendment } from '../events.ts'
import type { JsonRecord } from '../json.ts'

/** Lines of a conversation that are remembered; of a longer one, branches are not told apart. */
const MAX_LINES = 300_000

/** Finds the branches of a conversation that were abandoned for another. */
interface Branches {
  /**
   * Adds a line.
   *
   * @param isPrompt true for the user's own words: only these start a branch. Parallel tool calls fork the
   * chain of lines, too.
   */
  add(line: JsonRecord, id: string, isPrompt: boolean): void
  /** Yields the amendments that mark abandoned branches. */
  finish(): Generator<Amendment>
}

interface Line {
  readonly id: string
  readonly parent: Line | undefined
  readonly isPrompt: boolean
  readonly children: Line[]
}

/**
 * Each line names its parent. Where a message of the conversation has several prompts as children, the
 * user went back and asked again: the branch that leads to the last line is live, the others are
 * abandoned.
 */
export function createBranches(): Branches {
  const lines = new Map<string, Line>()
  const root: Line = { id: '', parent: undefined, isPrompt: false, children: [] }
  /** Stands in for a line that is not part of the conversation, such as progress. */
  const standIns = new Map<string, Line>()
  let last: Line | undefined
  let size = 0
  /** Lines without parent are the rule in such a log: they are not attempts at the same prompt. */
  let isUnchained = false

  return {
    add({ parentUuid, logicalParentUuid, type, isSidechain }, id, isPrompt) {
      if (lines.has(id) || isSidechain === true) return
      size += 1
      if (size > MAX_LINES) return
      const parentId = parentUuid ?? logicalParentUuid
      const parent =
        typeof parentId === 'string' ? (lines.get(parentId) ?? standIns.get(parentId)) : root
      if (type !== 'user' && type !== 'assistant' && !isPrompt) {
        if (parent !== undefined) standIns.set(id, parent)
        return
      }
      const line: Line = { id, parent, isPrompt, children: [] }
      if (parent === root && type === 'assistant') isUnchained = true
      parent?.children.push(line)
      lines.set(id, line)
      last = line
    },
    *finish() {
      if (size > MAX_LINES) return
      const live = new Set<Line>()
      for (let line = last; line !== undefined; line = line.parent) live.add(line)
      for (const parent of [root, ...lines.values()]) {
        const prompts = parent.children.filter((child) => child.isPrompt)
        if (parent === root && isUnchained) continue
        if (!prompts.some((prompt) => live.has(prompt))) continue
        for (const prompt of prompts) {
          if (live.has(prompt) || (parent === root && !isAnswered(prompt))) continue
          yield* abandon(prompt)
        }
      }
    },
  }
}

function isAnswered({ children }: Line): boolean {
  return children.length > 0
}

function* abandon(from: Line): Generator<Amendment> {
  const open = [from]
  for (let line = open.pop(); line !== undefined; line = open.pop()) {
    yield { amend: line.id, set: { fold: 'abandoned' } }
    for (const child of line.children) open.push(child)
  }
}
