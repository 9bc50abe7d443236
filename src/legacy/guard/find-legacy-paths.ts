import { isLegacyPath, isLegacyStem, UNKNOWN } from './legacy-path.ts'
import { type ModuleFacts, moduleFacts } from './module-facts.ts'
import { createTextsOf, type TextsOf } from './string-values.ts'
import { childrenOf, type Node } from './syntax-tree.ts'

/** A place in the code that makes the path of a legacy snapshot. */
export interface LegacyPathUse {
  readonly file: string
  /** From 1. */
  readonly line: number
  /** From 1. */
  readonly column: number
  /** The path, with `…` for what is not known before the program runs. */
  readonly path: string
}

const TEXTS = new Set([
  ...['StringLiteral', 'TemplateLiteral', 'TaggedTemplateExpression', 'BinaryExpression'],
  ...['CallExpression', 'OptionalCallExpression', 'NewExpression', 'ConditionalExpression'],
])

/** Worth parsing: code that never mentions either cannot make such a path. */
const WORTH_A_LOOK = /chat|threads|messages|tool-events|\.json|data/

/**
 * Finds where code makes the path of a legacy snapshot (`chat-threads.json`, `chat-messages.json`,
 * `chat-tool-events.json`), written out or put together from constants, templates, joins, parameters
 * and names of other modules.
 *
 * @param sources all code that belongs together, as it was written.
 * @example
 * findLegacyPaths([{ file: 'src/store.ts', code: "join('data', 'chat-threads.json')" }])
 */
export function findLegacyPaths(
  sources: readonly { readonly file: string; readonly code: string }[],
): LegacyPathUse[] {
  const modules = sources.flatMap(({ file, code }) =>
    WORTH_A_LOOK.test(code) ? (moduleFacts(file, code) ?? []) : [],
  )
  const stemsAbout = modules.some(({ texts }) => [...texts].some(isLegacyStem))
  const textsOf = createTextsOf(modules)
  return modules.flatMap((facts) => usesIn(facts, textsOf, stemsAbout))
}

function usesIn(facts: ModuleFacts, textsOf: TextsOf, stemsAbout: boolean): LegacyPathUse[] {
  const found = new Map<string, LegacyPathUse>()
  const visit = (node: Node): void => {
    const path = TEXTS.has(node.type)
      ? [...textsOf(node, facts)].find((text) => isLegacyPath(text, stemsAbout))
      : undefined
    if (path === undefined) {
      for (const child of childrenOf(node)) visit(child)
      return
    }
    const { line, column } = node.loc?.start ?? { line: 1, column: 0 }
    const use = { file: facts.file, line, column: column + 1, path: path.replaceAll(UNKNOWN, '…') }
    found.set(`${line}:${column}`, use)
  }
  visit(facts.program)
  return [...found.values()]
}
