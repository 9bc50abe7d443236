import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { type DefaultTheme, defineConfig } from 'vitepress'

const docs = join(import.meta.dirname, '..')
const root = join(docs, '..')
const { repository } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  repository: { url: string }
}
const repositoryUrl = repository.url.replace(/^git\+|\.git$/g, '')

export default defineConfig({
  title: 'session-db',
  description:
    'Durable, live, multi-tenant sessions and chats: Postgres, ElectricSQL and TanStack DB',
  // DOCS_BASE is the path of the published site, such as /session-db/ on GitHub Pages.
  base: process.env.DOCS_BASE ?? '/',
  cleanUrls: true,
  rewrites: indexOf,
  themeConfig: {
    search: { provider: 'local' },
    nav: [
      { text: 'Guide', link: '/getting-started' },
      { text: 'Recipes', link: '/recipes/' },
      { text: 'API', link: '/api/' },
    ],
    sidebar: { '/': guides(), '/api/': apiSidebar() },
    outline: [2, 3],
    socialLinks: [{ icon: 'github', link: repositoryUrl }],
  },
  markdown: {
    config(markdown) {
      markdown.core.ruler.push('repository-links', ({ tokens, env }) => {
        for (const token of tokens.flatMap(({ children }) => children ?? [])) {
          const href = token.type === 'link_open' ? token.attrGet('href') : null
          if (href === null) continue
          token.attrSet('href', leaveSite(indexOf(href), (env as { path: string }).path))
        }
      })
    },
  },
})

/** A folder's page is its README.md in the repository and its index on the site. */
function indexOf(path: string): string {
  return path.replace(/(^|\/)README\.md(?=$|#)/, '$1index.md')
}

/** Links to files outside `docs` lead to the repository: the pages are also read there. */
function leaveSite(href: string, page: string): string {
  const [path = '', anchor] = href.split('#')
  if (path === '' || /^[a-z]+:|^\//.test(path)) return href
  const file = join(dirname(page), path)
  if (!relative(docs, file).startsWith('..') || !existsSync(file)) return href
  return `${repositoryUrl}/blob/main/${relative(root, file)}${anchor ? `#${anchor}` : ''}`
}

/** Reads the groups of guides from the list in docs/README.md, so that there is one list. */
function guides(): DefaultTheme.SidebarItem[] {
  const groups: { text: string; items: DefaultTheme.SidebarItem[] }[] = []
  for (const line of readFileSync(join(docs, 'README.md'), 'utf8').split('\n')) {
    const [, heading] = line.match(/^\*\*(.+)\*\*$/) ?? []
    if (heading !== undefined) groups.push({ text: heading, items: [] })
    if (!line.startsWith('- ')) continue
    for (const [, text = '', link = ''] of line.matchAll(/\[([^\]]+)\]\(([^)]+\.md)\)/g)) {
      if (link.startsWith('..')) continue
      const path = `/${link.replace(/README\.md$|\.md$/, '')}`
      groups.at(-1)?.items.push({ text: text.replaceAll('`', ''), link: path })
    }
  }
  return groups
}

/** Reads what typedoc wrote beside the reference. */
function apiSidebar(): DefaultTheme.SidebarItem[] {
  const file = join(docs, 'api/typedoc-sidebar.json')
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : []
}
