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
import { memo } from 'react'
import ReactMarkdown, { type Components, type Options } from 'react-markdown'
import remarkGfm from 'remark-gfm'

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
  // biome-ignore lint/a11y/noNoninteractiveTabindex: the keyboard scrolls it
  pre: ({ node: _, ...props }) => <pre {...props} tabIndex={0} />,
  // A picture from any server would reveal who reads this.
  img: ({ src, alt }) => (
    <a href={String(src)} target="_blank" rel="noreferrer">
      {alt || 'Image'}
    </a>
  ),
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
