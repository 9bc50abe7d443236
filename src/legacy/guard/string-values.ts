import type { ModuleFacts } from './module-facts.ts'
import { type Node, nodeAt, nodesAt, returnsOf, textAt } from './syntax-tree.ts'
import { formatted, joined, template, union, unknown } from './text-sets.ts'

const MAX_DEPTH = 100
const PATH_FUNCTIONS = new Set(['join', 'resolve', 'normalize'])
const SAME_TEXT = new Set([
  ...['String', 'toString', 'trim', 'toLowerCase', 'freeze', 'fileURLToPath', 'pathToFileURL'],
  ...['toNamespacedPath', 'valueOf'],
])

/** Works out what texts an expression may stand for; `UNKNOWN` stands for parts it cannot know. */
export type TextsOf = (node: Node, facts: ModuleFacts) => ReadonlySet<string>

/** @param modules all code that may define a name another module uses. */
export function createTextsOf(modules: readonly ModuleFacts[]): TextsOf {
  // Each part of the code once: names that use one another would otherwise take for ever.
  const found = new Map<Node, ReadonlySet<string>>()
  const foundProperties = new Map<string, ReadonlySet<string>>()

  function texts(node: Node | undefined, facts: ModuleFacts, depth: number): ReadonlySet<string> {
    if (node === undefined || depth > MAX_DEPTH) return unknown
    const known = found.get(node)
    if (known !== undefined) return known
    // What it is made of itself adds nothing to it.
    found.set(node, unknown)
    const result = textsOfNode(node, facts, depth)
    found.set(node, result)
    return result
  }

  function textsOfNode(node: Node, facts: ModuleFacts, depth: number): ReadonlySet<string> {
    const of = (part: Node | undefined) => texts(part, facts, depth + 1)
    switch (node.type) {
      case 'StringLiteral':
        return new Set([textAt(node, 'value') ?? ''])
      case 'NumericLiteral':
        return new Set([String(Reflect.get(node, 'value'))])
      case 'TemplateLiteral':
        return template(node, of)
      case 'TaggedTemplateExpression':
        return template(nodeAt(node, 'quasi') ?? node, of, 'raw')
      case 'BinaryExpression':
        return textAt(node, 'operator') === '+'
          ? joined([of(nodeAt(node, 'left')), of(nodeAt(node, 'right'))], '')
          : unknown
      case 'ConditionalExpression':
        return union([of(nodeAt(node, 'consequent')), of(nodeAt(node, 'alternate'))])
      case 'LogicalExpression':
        return union([of(nodeAt(node, 'left')), of(nodeAt(node, 'right'))])
      case 'Identifier':
        return named(textAt(node, 'name') ?? '', facts, depth)
      case 'PropertyNamed':
        return property(textAt(node, 'name'), facts, depth)
      case 'MemberExpression':
      case 'OptionalMemberExpression':
        return member(node, facts, depth)
      case 'NewExpression':
        return textAt(nodeAt(node, 'callee'), 'name') === 'URL'
          ? of(nodesAt(node, 'arguments')[0])
          : unknown
      case 'CallExpression':
      case 'OptionalCallExpression':
        return call(node, facts, depth)
      case 'AssignmentExpression':
        return of(nodeAt(node, 'right'))
      case 'AwaitExpression':
        return of(nodeAt(node, 'argument'))
      case 'SequenceExpression':
        return of(nodesAt(node, 'expressions').at(-1))
      default:
        // TypeScript's `x as T`, `x!`, `x satisfies T`, and parentheses.
        return nodeAt(node, 'expression') === undefined ? unknown : of(nodeAt(node, 'expression'))
    }
  }

  function named(name: string, facts: ModuleFacts, depth: number): ReadonlySet<string> {
    const own = [
      ...(facts.values.get(name) ?? []).map((value) => texts(value, facts, depth + 1)),
      ...(facts.elementsOf.get(name) ?? []).map((list) => elements(list, facts, depth + 1)),
      ...parameters(name, facts, depth),
    ]
    const from = facts.imports.get(name)
    const others = modules.filter((other) => other !== facts)
    const imported =
      from === undefined
        ? []
        : others.flatMap((other) =>
            (other.values.get(from) ?? []).map((value) => texts(value, other, depth + 1)),
          )
    return union([...own, ...imported])
  }

  /** What is handed to functions that call a parameter so. */
  function parameters(name: string, facts: ModuleFacts, depth: number): ReadonlySet<string>[] {
    return [...facts.functions].flatMap(([functionName, definitions]) =>
      definitions.flatMap((definition) => {
        const place = nodesAt(definition, 'params').findIndex(
          (parameter) =>
            textAt(parameter, 'name') === name ||
            textAt(nodeAt(parameter, 'left'), 'name') === name,
        )
        if (place === -1) return []
        return modules
          .filter(
            (other) =>
              other === facts ||
              [...other.imports.values()].some(
                (from) => from === functionName || from === '*' || from === 'default',
              ),
          )
          .flatMap((other) =>
            (other.calls.get(functionName) ?? []).map((args) =>
              texts(args[place], other, depth + 1),
            ),
          )
      }),
    )
  }

  function property(
    name: string | undefined,
    facts: ModuleFacts,
    depth: number,
  ): ReadonlySet<string> {
    if (name === undefined) return unknown
    const own = facts.properties.get(name) ?? []
    if (own.length > 0) return union(own.map((value) => texts(value, facts, depth + 1)))
    const known = foundProperties.get(name)
    if (known !== undefined) return known
    foundProperties.set(name, unknown)
    const others = modules.flatMap((other) =>
      [...(other.properties.get(name) ?? []), ...(other.values.get(name) ?? [])].map((value) =>
        texts(value, other, depth + 1),
      ),
    )
    const result = union(others)
    foundProperties.set(name, result)
    return result
  }

  function member(node: Node, facts: ModuleFacts, depth: number): ReadonlySet<string> {
    const key = nodeAt(node, 'property')
    if (Reflect.get(node, 'computed') !== true) {
      return property(textAt(key, 'name') ?? textAt(nodeAt(key, 'id'), 'name'), facts, depth)
    }
    if (key?.type === 'StringLiteral') return property(textAt(key, 'value'), facts, depth)
    return elements(nodeAt(node, 'object'), facts, depth + 1)
  }

  /** Texts that may be an element of a list, or a value of an object. */
  function elements(
    list: Node | undefined,
    facts: ModuleFacts,
    depth: number,
  ): ReadonlySet<string> {
    const found = listOf(list, facts, depth)
    return union(found.flatMap((parts) => parts.map((part) => texts(part, facts, depth + 1))))
  }

  function listOf(node: Node | undefined, facts: ModuleFacts, depth: number): (readonly Node[])[] {
    if (node === undefined || depth > MAX_DEPTH) return []
    if (node.type === 'ArrayExpression') return [nodesAt(node, 'elements')]
    if (node.type === 'ObjectExpression') {
      return [nodesAt(node, 'properties').flatMap((entry) => nodeAt(entry, 'value') ?? [])]
    }
    if (node.type === 'Identifier') {
      const values = facts.values.get(textAt(node, 'name') ?? '') ?? []
      return values.flatMap((value) => listOf(value, facts, depth + 1))
    }
    if (node.type === 'CallExpression') {
      // Object.values({ … }), Object.freeze([ … ])
      return nodesAt(node, 'arguments')
        .slice(0, 1)
        .flatMap((part) => listOf(part, facts, depth + 1))
    }
    return listOf(nodeAt(node, 'expression'), facts, depth + 1)
  }

  function call(node: Node, facts: ModuleFacts, depth: number): ReadonlySet<string> {
    const callee = nodeAt(node, 'callee')
    const args = nodesAt(node, 'arguments')
    const of = (part: Node | undefined) => texts(part, facts, depth + 1)
    const object = nodeAt(callee, 'object')
    const name = textAt(callee, 'name') ?? textAt(nodeAt(callee, 'property'), 'name') ?? ''
    const original = facts.imports.get(name) ?? name
    if (name === 'join' && object) {
      const lists = listOf(object, facts, depth)
      if (lists.length > 0) {
        const between = [...(args[0] ? of(args[0]) : new Set([',']))][0] ?? ','
        return union(lists.map((parts) => joined(parts.map(of), between)))
      }
    }
    if (PATH_FUNCTIONS.has(original)) return joined(args.map(of), '/')
    if (name === 'format' && args[0]?.type === 'ObjectExpression') return formatted(args[0], of)
    if (name === 'concat' && object) return joined([of(object), ...args.map(of)], '')
    if (SAME_TEXT.has(original)) return of(args[0] ?? object)
    const local = facts.functions.get(name)
    const returned = local
      ? local.flatMap((definition) => returnsOf(definition).map(of))
      : modules.flatMap((other) =>
          facts.imports.has(name) || object
            ? (other.functions.get(original) ?? []).flatMap((definition) =>
                returnsOf(definition).map((value) => texts(value, other, depth + 1)),
              )
            : [],
        )
    return union(returned)
  }

  return (node, facts) => texts(node, facts, 0)
}
