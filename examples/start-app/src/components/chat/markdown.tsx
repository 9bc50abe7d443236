import bash from 'highlight.js/lib/languages/bash'
import css from 'highlight.js/lib/languages/css'
import diff from 'highlight.js/lib/languages/diff'
import go from 'highlight.js/lib/languages/go'
import json from 'highlight.js/lib/languages/json'
import python from 'highlight.js/lib/languages/python'
import rust from 'highlight.js/lib/languages/rust'
import sql from 'highlight.js/lib/languages/sql'
import typescript from 'highlight.js/lib/languages/typescript'
import xml from 'highlight.js/lib/languages/xml'
import yaml from 'highlight.js/lib/languages/yaml'
import { createLowlight } from 'lowlight'
import { Check, Copy } from 'lucide-react'
import { type ComponentProps, memo, useRef } from 'react'
import ReactMarkdown, { type Components, type Options } from 'react-markdown'
import remarkGfm from 'remark-gfm'
import { useCopied } from '#/lib/use-copied'

// Each language costs one or two kilobytes. These occur in the logs.
const languages = { bash, css, diff, go, json, python, rust, sql, typescript, xml, yaml }
const lowlight = createLowlight(languages)
lowlight.registerAlias({
  bash: ['console', 'shell', 'zsh'],
  typescript: ['javascript', 'js', 'jsx'],
})

interface Node {
  type: string
  tagName?: string
  value?: string
  properties?: { className?: string[] }
  children?: Node[]
}

/** Colours code blocks. rehype-highlight does too, but brings 37 languages, which are 40 kB. */
function highlightCode() {
  return function visit(node: Node): void {
    for (const child of node.children ?? []) {
      const names = child.properties?.className ?? []
      const language = names.find((name) => name.startsWith('language-'))?.slice(9) ?? ''
      if (node.tagName !== 'pre' || !lowlight.registered(language)) visit(child)
      else {
        const code = child.children?.[0]?.value ?? ''
        child.children = lowlight.highlight(language, code).children as Node[]
        child.properties = { ...child.properties, className: ['hljs', ...names] }
      }
    }
  }
}

const rehypePlugins: Options['rehypePlugins'] = [highlightCode]

/** Keeps single newlines, which people type in chats, as line breaks. */
function keepNewlines() {
  return function visit({ children }: Node): void {
    for (const child of [...(children ?? [])]) {
      visit(child)
      if (child.type !== 'text' || !child.value?.includes('\n')) continue
      const broken = child.value
        .split('\n')
        .flatMap((value, line): Node[] => [
          ...(line > 0 ? [{ type: 'break' }] : []),
          { type: 'text', value },
        ])
      children?.splice(children.indexOf(child), 1, ...broken)
    }
  }
}

const remarkPlugins: Options['remarkPlugins'] = [remarkGfm, keepNewlines]

const components: Components = {
  a: ({ node: _, ...props }) => <a {...props} target="_blank" rel="noreferrer" />,
  pre: ({ node, ...props }) => {
    const [code] = node?.children ?? []
    const names = code?.type === 'element' ? code.properties.className : undefined
    const name = Array.isArray(names) && names.find((each) => /^language-/.test(String(each)))
    return <CodeBlock {...props} language={name ? String(name).slice('language-'.length) : ''} />
  },
  // A picture from any server would reveal who reads this.
  img: ({ src, alt }) => (
    <a href={String(src)} target="_blank" rel="noreferrer">
      {alt || 'Image'}
    </a>
  ),
}

/** Code with its language and a button that copies it. */
function CodeBlock({ language, ...props }: ComponentProps<'pre'> & { language: string }) {
  const code = useRef<HTMLPreElement>(null)
  const [copied, copy] = useCopied(2_000)
  const Icon = copied ? Check : Copy
  return (
    <div className="code-block">
      <div className="flex items-center justify-between pr-1 pl-3 font-sans text-[11px] text-muted-foreground">
        <span>{language || 'text'}</span>
        <button
          type="button"
          aria-label={`Copy the ${language || 'text'} code`}
          data-testid="copy-code"
          onClick={() => copy(code.current?.textContent ?? '')}
          className="flex items-center gap-1 rounded px-1.5 py-1 hover:text-foreground"
        >
          <Icon className="size-3" aria-hidden /> {copied ? 'Copied' : 'Copy'}
        </button>
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: the keyboard scrolls it */}
      <pre {...props} ref={code} tabIndex={0} />
    </div>
  )
}

/**
 * Renders Markdown as React elements. HTML is shown as text or dropped, and only safe protocols
 * become links: these are react-markdown's defaults.
 */
export default memo(function Markdown({ content }: { content: string }) {
  return (
    <ReactMarkdown
      remarkPlugins={remarkPlugins}
      rehypePlugins={rehypePlugins}
      components={components}
    >
      {content}
    </ReactMarkdown>
  )
})
