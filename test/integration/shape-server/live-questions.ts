import {
  type Collection,
  createLiveQueryCollection,
  eq,
  gt,
  inArray,
  isNull,
  like,
  lt,
  not,
  or,
} from '@tanstack/db'
import { fc } from '../../support/property.ts'

export type Post = { id: number; author: number | null; title: string; views: number | null }

// biome-ignore lint/suspicious/noExplicitAny: the query builder's references have no public name
type Where = (post: any) => any

/** A query, written for TanStack DB and for Postgres. */
export interface Question {
  readonly sql: string
  readonly where?: Where
  readonly limit?: number
  readonly offset?: number
}

const id = fc.integer({ min: 1, max: 8 })
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: null, freq: 5 })
const title = fc.constantFrom('a', 'ab', 'b', "o'b")
const quoted = (value: string | number | null) =>
  value === null ? 'NULL' : `'${String(value).replaceAll("'", "''")}'`

const asks = (sql: string, where: Where): Question => ({ sql, where })
const condition: fc.Arbitrary<Question> = fc.oneof(
  fc.constant<Question>({ sql: 'true' }),
  id.map((n) => asks(`views > ${n}`, (post) => gt(post.views, n))),
  id.map((n) => asks(`NOT (views < ${n})`, (post) => not(lt(post.views, n)))),
  id.map((n) => asks(`author = ${n}`, (post) => eq(post.author, n))),
  fc.constant(asks('author IS NULL', (post) => isNull(post.author))),
  title.map((text) => asks(`title = ${quoted(text)}`, (post) => eq(post.title, text))),
  fc.constant(asks("title LIKE 'a%'", (post) => like(post.title, 'a%'))),
  fc
    .array(id, { minLength: 1, maxLength: 3 })
    .map((ids) => asks(`id IN (${ids})`, (post) => inArray(post.id, ids))),
  fc
    .tuple(id, title)
    .map(([n, text]) =>
      asks(`(views = ${n} OR title = ${quoted(text)})`, (post) =>
        or(eq(post.views, n), eq(post.title, text)),
      ),
    ),
)
export const question: fc.Arbitrary<Question> = fc.oneof(
  condition,
  fc
    .tuple(condition, fc.integer({ min: 1, max: 4 }), fc.integer({ min: 0, max: 3 }))
    .map(([asked, limit, offset]) => ({ ...asked, limit, offset })),
)

export const write = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.tuple(id, maybe(id), title, maybe(id)).map(
      ([key, author, text, views]) =>
        `INSERT INTO posts VALUES (${key}, ${quoted(author)}, ${quoted(text)}, ${quoted(views)})
         ON CONFLICT (id) DO UPDATE SET author = excluded.author, title = excluded.title, views = excluded.views`,
    ),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(id, maybe(id))
      .map(([key, views]) => `UPDATE posts SET views = ${quoted(views)} WHERE id = ${key}`),
  },
  { weight: 2, arbitrary: id.map((key) => `DELETE FROM posts WHERE id = ${key}`) },
  {
    weight: 3,
    arbitrary: fc
      .tuple(id, fc.boolean())
      .map(
        ([key, on]) =>
          `INSERT INTO authors VALUES (${key}, ${on}) ON CONFLICT (id) DO UPDATE SET active = excluded.active`,
      ),
  },
)

/** Removes limit and offset: a page requests subsets whenever one of its rows goes. */
export const withoutPages = ({ sql, where }: Question): Question => ({
  sql,
  ...(where && { where }),
})

/** Creates a live query over the posts. */
export function ask(posts: Collection<Post, string | number>, { where, limit, offset }: Question) {
  return createLiveQueryCollection((q) => {
    const all = q.from({ post: posts })
    const some = where ? all.where(({ post }) => where(post)) : all
    if (limit === undefined) return some
    return some
      .orderBy(({ post }) => post.views, { direction: 'asc', nulls: 'first' })
      .orderBy(({ post }) => post.id, 'asc')
      .limit(limit)
      .offset(offset ?? 0)
  })
}

/** Writes the same query as SQL. */
export function select(shape: string | undefined, { sql, limit, offset }: Question): string {
  const page = limit === undefined ? '' : `LIMIT ${limit} OFFSET ${offset ?? 0}`
  return `SELECT id, author, title, views FROM posts WHERE (${shape ?? true}) AND ${sql}
    ORDER BY views NULLS FIRST, id ${page}`
}
