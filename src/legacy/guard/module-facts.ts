import { parse } from '@babel/parser'
import { childrenOf, isNode, type Node, nodeAt, nodesAt, textAt } from './syntax-tree.ts'

/** What the code of one module says about its names, without regard to scopes. */
export interface ModuleFacts {
  readonly file: string
  readonly program: Node
  /** Every expression a name may stand for, and every list a name may be an element of. */
  readonly values: Map<string, Node[]>
  readonly elementsOf: Map<string, Node[]>
  /** Every value a property of some object or class has under that name. */
  readonly properties: Map<string, Node[]>
  readonly functions: Map<string, Node[]>
  /** Arguments of every call, by the function's name. */
  readonly calls: Map<string, (readonly Node[])[]>
  /** Local name to the name it has where it comes from. */
  readonly imports: Map<string, string>
  /** Whether a legacy name stands alone somewhere, as `'chat-threads'`. */
  readonly texts: Set<string>
}

/**
 * Parses TypeScript or JavaScript, with or without JSX, and collects what its names may stand for.
 *
 * @returns undefined for code that is neither.
 */
export function moduleFacts(file: string, code: string): ModuleFacts | undefined {
  const program = parseAny(file, code)
  if (program === undefined) return undefined
  const facts: ModuleFacts = {
    file,
    program,
    values: new Map(),
    elementsOf: new Map(),
    properties: new Map(),
    functions: new Map(),
    calls: new Map(),
    imports: new Map(),
    texts: new Set(),
  }
  const visit = (node: Node): void => {
    collectors[node.type]?.(node, facts)
    for (const child of childrenOf(node)) visit(child)
  }
  visit(program)
  return facts
}

function parseAny(file: string, code: string): Node | undefined {
  const jsx = /\.[jt]sx(?:$|\?)|\.(?:m?js|vue|svelte|astro)(?:$|\?)/.test(file)
  for (const plugins of jsx
    ? [['typescript', 'jsx'] as const]
    : [['typescript'] as const, ['typescript', 'jsx'] as const]) {
    try {
      const parsed = parse(code, {
        sourceType: 'unambiguous',
        errorRecovery: true,
        allowReturnOutsideFunction: true,
        plugins: [...plugins, 'decorators', 'explicitResourceManagement'],
      })
      return parsed.program as unknown as Node
    } catch {
      // Tried in the other way, or not code.
    }
  }
  return undefined
}

type Collector = (node: Node, facts: ModuleFacts) => void

function add<Value>(map: Map<string, Value[]>, name: string | undefined, value: Value | undefined) {
  if (name === undefined || value === undefined) return
  const known = map.get(name)
  if (known) known.push(value)
  else map.set(name, [value])
}

const collectFunction: Collector = (node, facts) => {
  add(facts.functions, textAt(nodeAt(node, 'id'), 'name'), node)
}

const collectProperty: Collector = (node, facts) => {
  add(facts.properties, keyOf(node), nodeAt(node, 'value'))
}

const collectors: Readonly<Record<string, Collector>> = {
  VariableDeclarator(node, facts) {
    const id = nodeAt(node, 'id')
    const init = nodeAt(node, 'init')
    if (id?.type === 'Identifier') {
      const name = textAt(id, 'name')
      add(facts.values, name, init)
      if (init && /Function/.test(init.type)) add(facts.functions, name, init)
    }
    if (id?.type === 'ObjectPattern' && init) destructure(id, facts)
  },
  AssignmentExpression(node, facts) {
    const left = nodeAt(node, 'left')
    if (left?.type === 'Identifier') add(facts.values, textAt(left, 'name'), nodeAt(node, 'right'))
    if (left?.type === 'MemberExpression') {
      const key = nodeAt(left, 'property')
      add(facts.properties, textAt(key, 'name') ?? textAt(key, 'value'), nodeAt(node, 'right'))
    }
  },
  AssignmentPattern(node, facts) {
    add(facts.values, textAt(nodeAt(node, 'left'), 'name'), nodeAt(node, 'right'))
  },
  ForOfStatement(node, facts) {
    const left = nodeAt(node, 'left')
    const declared = left && nodesAt(left, 'declarations')[0]
    const target = declared ? nodeAt(declared, 'id') : left
    add(facts.elementsOf, textAt(target, 'name'), nodeAt(node, 'right'))
  },
  FunctionDeclaration: collectFunction,
  FunctionExpression: collectFunction,
  ClassMethod: (node, facts) => add(facts.functions, keyOf(node), node),
  ObjectMethod: (node, facts) => add(facts.functions, keyOf(node), node),
  ObjectProperty(node, facts) {
    collectProperty(node, facts)
    const value = nodeAt(node, 'value')
    if (value && /Function/.test(value.type)) add(facts.functions, keyOf(node), value)
  },
  ClassProperty: collectProperty,
  ClassPrivateProperty: collectProperty,
  TSEnumMember: (node, facts) =>
    add(facts.properties, textAt(nodeAt(node, 'id'), 'name'), nodeAt(node, 'initializer')),
  ImportSpecifier(node, facts) {
    const imported = nodeAt(node, 'imported')
    const name = textAt(imported, 'name') ?? textAt(imported, 'value')
    const local = textAt(nodeAt(node, 'local'), 'name')
    if (name !== undefined && local !== undefined) facts.imports.set(local, name)
  },
  ImportNamespaceSpecifier(node, facts) {
    const local = textAt(nodeAt(node, 'local'), 'name')
    if (local !== undefined) facts.imports.set(local, '*')
  },
  ImportDefaultSpecifier(node, facts) {
    const local = textAt(nodeAt(node, 'local'), 'name')
    if (local !== undefined) facts.imports.set(local, 'default')
  },
  ExportDefaultDeclaration: (node, facts) =>
    add(facts.values, 'default', nodeAt(node, 'declaration')),
  StringLiteral(node, facts) {
    facts.texts.add(textAt(node, 'value') ?? '')
  },
  CallExpression(node, facts) {
    const callee = nodeAt(node, 'callee')
    const name =
      callee?.type === 'Identifier'
        ? textAt(callee, 'name')
        : textAt(callee && nodeAt(callee, 'property'), 'name')
    const args = nodesAt(node, 'arguments')
    add(facts.calls, name, args)
    // What a callback of a list gets: ['a', 'b'].map((name) => …)
    const callback = args[0]
    const list = callee?.type === 'MemberExpression' ? nodeAt(callee, 'object') : undefined
    if (list && callback && /Function/.test(callback.type)) {
      add(facts.elementsOf, textAt(nodesAt(callback, 'params')[0], 'name'), list)
    }
  },
}

/** `const { file } = paths`: the name stands for whatever has that property name. */
function destructure(pattern: Node, facts: ModuleFacts): void {
  for (const property of nodesAt(pattern, 'properties')) {
    const key = keyOf(property)
    const value = nodeAt(property, 'value')
    if (key === undefined || value?.type !== 'Identifier') continue
    const member = { type: 'PropertyNamed', name: key } as unknown as Node
    add(facts.values, textAt(value, 'name'), member)
  }
}

function keyOf(node: Node): string | undefined {
  const key = nodeAt(node, 'key')
  if (!isNode(key)) return undefined
  return textAt(key, 'name') ?? textAt(key, 'value') ?? textAt(nodeAt(key, 'id'), 'name')
}
