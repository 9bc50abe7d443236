import { randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Pool } from 'pg'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  createLegacyStores,
  importLegacySnapshots,
  userSessionId,
} from '../../../src/legacy/index.ts'
import { createSessionStore, findSecrets } from '../../../src/server/index.ts'
import { snapshotDir, useDatabase } from './legacy-fixture.ts'

const database = useDatabase()
type Options = Partial<Parameters<typeof createLegacyStores>[0]>
const stores = (userId: string, tenantId = 'acme', options: Options = {}) =>
  createLegacyStores({
    store: createSessionStore({ database: database.pool }),
    principal: { tenantId, userId },
    ...options,
  })

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'session-db-source-'))
})
afterEach(() => rm(directory, { recursive: true }))

describe('threads', () => {
  test('are created on first use, started, activated, renamed, archived and removed', async () => {
    const ada = stores('ada')
    const first = await ada.getActiveChatThread('session-default', 'session')
    expect(first).toMatchObject({ title: 'Session Coach', status: 'active', messageCount: 0 })
    expect(await ada.getActiveChatThread('session-default', 'session')).toEqual(first)
    const second = await ada.startNewChatThread('session-default', 'session')
    expect(second).toMatchObject({ title: 'Session Coach #2', status: 'active' })
    expect(await ada.getChatThreadById(first.id)).toMatchObject({ status: 'archived' })
    await ada.setActiveChatThread(first.id)
    const listed = await ada.listChatThreads('session-default', 'session')
    expect(listed.map(({ id, status }) => [id, status]).sort()).toEqual(
      [
        [first.id, 'active'],
        [second.id, 'archived'],
      ].sort(),
    )
    expect(await ada.renameChatThread(first.id, '  Named ')).toMatchObject({ title: 'Named' })
    expect(await ada.renameChatThread(first.id, ' ')).toMatchObject({ title: 'Named' })
    expect(await ada.archiveChatThread(first.id)).toMatchObject({ status: 'archived' })
    expect(await ada.removeChatThreadRecord(second.id)).toMatchObject({ id: second.id })
    expect(await ada.removeChatThreadRecord(second.id)).toBeNull()
    expect(await ada.archiveChatThread('nobody')).toBeNull()
    await expect(ada.renameChatThread('nobody', 'x')).rejects.toMatchObject({ code: 'not_found' })
    await ada.clearThreadsForSession('session-default')
    expect(await ada.listChatThreads('session-default')).toEqual([])
  })

  test('are activated only in their session and mode', async () => {
    const ada = stores('ada')
    const thread = await ada.startNewChatThread('s-activate', 'session')
    const other = await ada.startNewChatThread('s-activate', 'session')
    await ada.activateChatThread('s-activate', 'session', thread.id)
    expect(await ada.getActiveChatThread('s-activate', 'session')).toMatchObject({ id: thread.id })
    const wrong = ada.activateChatThread('s-activate', 'general', other.id)
    await expect(wrong).rejects.toThrow('Thread does not match session/mode')
    expect(await ada.getActiveChatThread('s-activate', 'session')).toMatchObject({ id: thread.id })
  })

  test('are first in the list after they are touched', async () => {
    const ada = stores('ada')
    const first = await ada.startNewChatThread('s-touch', 'session')
    const second = await ada.startNewChatThread('s-touch', 'session')
    const ids = async () => (await ada.listChatThreads('s-touch')).map(({ id }) => id)
    expect(await ids()).toEqual([second.id, first.id])
    await ada.touchChatThread(first.id, { incrementCount: 1 })
    expect(await ids()).toEqual([first.id, second.id])
    expect(await ada.getChatThreadById(first.id)).toMatchObject({ messageCount: 0 })
    await ada.touchChatThread('nobody', {})
  })

  test('have no empty fields', async () => {
    const thread = await stores('ada').startNewChatThread('s-nulls', 'general')
    expect(thread).not.toHaveProperty('lastMessageAt')
    expect(thread).not.toHaveProperty('lastMessagePreview')
  })

  test('concurrent first requests to two instances create one', async () => {
    const second = new Pool({ connectionString: database.url })
    try {
      const instances = [
        stores('ada'),
        stores('ada', 'acme', { store: createSessionStore({ database: second }) }),
      ]
      for (const session of ['s-race', 's-race-2', 's-race-3']) {
        const found = await Promise.all(
          Array.from({ length: 10 }, (_, n) =>
            instances[n % 2]?.getActiveChatThread(session, 'session'),
          ),
        )
        expect(new Set(found.map((thread) => thread?.id)).size).toBe(1)
        expect(await stores('ada').listChatThreads(session)).toHaveLength(1)
      }
    } finally {
      await second.end()
    }
  })

  test('an active thread is created again after others were deleted', async () => {
    const ada = stores('ada')
    const one = await ada.getActiveChatThread('s-again', 'session')
    await ada.archiveChatThread(one.id)
    const two = await ada.getActiveChatThread('s-again', 'session')
    await ada.archiveChatThread(two.id)
    await ada.removeChatThreadRecord(one.id)
    const three = await ada.getActiveChatThread('s-again', 'session')
    expect([one.id, two.id]).not.toContain(three.id)
    expect(three).toMatchObject({ status: 'active' })
  })
})

describe('messages', () => {
  test('are appended once per client id, updated, listed in order and deleted', async () => {
    const ada = stores('ada')
    const where = { sessionId: 's-messages', mode: 'general' } as const
    const append = (content: string, more: object = {}) =>
      ada.appendChatMessage({ ...where, role: 'user', content, ...more })
    const first = await append('one', { clientMessageId: 'c1', evidence: [{ path: 'a.ts' }] })
    expect(first).toMatchObject({ content: 'one', evidence: [{ path: 'a.ts' }], mode: 'general' })
    expect(first).not.toHaveProperty('misalignmentId')
    expect(await append('again', { clientMessageId: 'c1' })).toEqual(first)
    const second = await append('two', { misalignmentId: 'm1' })
    const changed = await ada.updateChatMessage(second.id, (draft) => {
      draft.content = 'two, edited'
    })
    expect(changed).toMatchObject({ content: 'two, edited', misalignmentId: 'm1' })
    const listed = await ada.listChatMessages(where.sessionId, where.mode)
    expect(listed.map(({ content }) => content)).toEqual(['one', 'two, edited'])
    expect(await ada.getChatThreadById(first.threadId)).toMatchObject({
      messageCount: 2,
      lastMessagePreview: 'two, edited',
    })
    await ada.resetChatThread(where.sessionId, where.mode)
    expect(await ada.listChatMessages(where.sessionId, where.mode)).toEqual([])
    await ada.deleteMessagesForThread(first.threadId)
    expect(await ada.listChatMessagesByThread(first.threadId)).toEqual([])
  })

  test('are listed by session, mode and thread', async () => {
    const ada = stores('ada')
    const message = await ada.appendChatMessage({
      ...{ sessionId: 's-filter', mode: 'session', role: 'user', content: 'x' },
    })
    const { threadId } = message
    expect(await ada.listChatMessages('s-filter', 'session', threadId)).toEqual([message])
    expect(await ada.listChatMessages('s-filter', 'general', threadId)).toEqual([])
    expect(await ada.listChatMessages('s-other', 'session', threadId)).toEqual([])
  })

  test('concurrent appends with one client id and no thread create one message', async () => {
    const second = new Pool({ connectionString: database.url })
    try {
      const instances = [
        stores('ada'),
        stores('ada', 'acme', { store: createSessionStore({ database: second }) }),
      ]
      const input = { sessionId: 's-once', mode: 'session', role: 'user', content: 'once' } as const
      const appended = await Promise.all(
        Array.from({ length: 10 }, (_, n) =>
          instances[n % 2]?.appendChatMessage({ ...input, clientMessageId: 'c1' }),
        ),
      )
      expect(new Set(appended.map((message) => message?.id)).size).toBe(1)
      expect(await stores('ada').listChatMessages('s-once', 'session')).toHaveLength(1)
    } finally {
      await second.end()
    }
  })

  test('concurrent updates are all applied', async () => {
    const ada = stores('ada')
    const { id } = await ada.appendChatMessage({
      ...{ sessionId: 's-updates', mode: 'session', role: 'user', content: '' },
    })
    await Promise.all(
      [...'abcde'].map((letter) =>
        ada.updateChatMessage(id, (draft) => {
          draft.content += letter
        }),
      ),
    )
    const [message] = await ada.listChatMessages('s-updates', 'session')
    expect([...(message?.content ?? '')].sort().join('')).toBe('abcde')
  })

  test('are cleared and read as a whole for the user only', async () => {
    const [ada, bob] = [stores('ada', 'clear'), stores('bob', 'clear')]
    const input = { sessionId: 's-a', mode: 'session', role: 'user', content: 'x' } as const
    const mine = await ada.appendChatMessage(input)
    const theirs = await bob.appendChatMessage({ ...input, sessionId: 's-b' })
    const collection = await ada.getChatMessagesCollection()
    expect(collection.toArray).toEqual([mine])
    expect(collection.get(mine.id)).toEqual(mine)
    expect(collection.get(theirs.id)).toBeUndefined()
    await ada.clearChatMessages()
    expect((await ada.getChatMessagesCollection()).toArray).toEqual([])
    expect((await bob.getChatMessagesCollection()).toArray).toEqual([theirs])
  })

  test('resetting a thread deletes its messages and returns it', async () => {
    const ada = stores('ada')
    const message = await ada.appendChatMessage({
      ...{ sessionId: 's-reset', mode: 'session', role: 'user', content: 'x' },
    })
    const thread = await ada.resetChatThreadMessages(message.threadId)
    expect(thread).toMatchObject({ id: message.threadId, messageCount: 0 })
    expect(thread).not.toHaveProperty('lastMessagePreview')
    expect(await ada.resetChatThreadMessages('nobody')).toBeNull()
  })
})

describe('tool events', () => {
  test('imported ones have their own functions, and are not messages', async () => {
    const tenantId = 'tools'
    const options = { directory: snapshotDir('7f9df6a'), tenantId, userId: 'ada' }
    await importLegacySnapshots({ database: database.pool, ...options })
    const ada = stores('ada', tenantId)
    const read = async (name: string) =>
      JSON.parse(await readFile(join(snapshotDir('7f9df6a'), name), 'utf8'))
    const records = await read('chat-tool-events.json')
    const byStart = (a: { startedAt: string }, b: { startedAt: string }) =>
      a.startedAt < b.startedAt ? -1 : 1
    expect(await ada.listChatToolEvents('session-default')).toEqual([...records].sort(byStart))
    const { threadId } = records[0]
    const ofThread = records.filter((record: { threadId: string }) => record.threadId === threadId)
    expect(await ada.listChatToolEventsByThread(threadId)).toEqual(ofThread.sort(byStart))

    const messages = await read('chat-messages.json')
    const { toArray } = await ada.getChatMessagesCollection()
    expect(new Set(toArray.map(({ role }) => role))).toEqual(new Set(['user', 'assistant']))
    expect(toArray).toHaveLength(messages.length)
    for (const message of messages) expect(toArray).toContainEqual(message)
    expect(await ada.listChatMessagesByThread(threadId)).toHaveLength(
      messages.filter((message: { threadId: string }) => message.threadId === threadId).length,
    )
    for (const thread of await read('chat-threads.json')) {
      const { messageCount, lastMessageAt, lastMessagePreview } = thread
      expect(await ada.getChatThreadById(thread.id)).toMatchObject({
        messageCount,
        ...(lastMessageAt !== undefined && { lastMessageAt, lastMessagePreview }),
      })
    }
    await ada.deleteMessagesForThread(threadId)
    expect(await ada.listChatToolEventsByThread(threadId)).toHaveLength(ofThread.length)
  })

  test('are appended, completed and cleared', async () => {
    const ada = stores('ada')
    const call = { sessionId: 's-tools', toolName: 'read', arguments: { path: 'a\u0000' } }
    const event = await ada.appendChatToolEvent({ ...call, toolCallId: 'call-1' })
    expect(event).toMatchObject({ toolName: 'read', status: 'executing', toolCallId: 'call-1' })
    expect(event.arguments).toEqual({ path: 'a\uFFFD' })
    expect(event).not.toHaveProperty('result')
    const done = await ada.updateChatToolEventStatus(event.id, 'succeeded', { result: [1] })
    expect(done).toMatchObject({ id: event.id, status: 'succeeded', result: [1] })
    expect(done.latencyMs).toBeGreaterThanOrEqual(0)
    const failed = await ada.insertChatToolEvent({ ...call, threadId: event.threadId })
    expect(failed.toolCallId).toBeNull()
    await ada.updateChatToolEventStatus(failed.id, 'failed', { error: 'no' })
    expect(await ada.listChatToolEvents('s-tools')).toMatchObject([
      { status: 'succeeded' },
      { status: 'failed', error: 'no' },
    ])
    expect(await ada.listChatMessages('s-tools', 'session')).toEqual([])
    expect(await ada.getChatThreadById(event.threadId ?? '')).toMatchObject({ messageCount: 0 })
    await ada.clearChatToolEvents('s-tools')
    expect(await ada.listChatToolEvents('s-tools')).toEqual([])
  })
})

describe('uploads', () => {
  test('are saved, listed, found and read', async () => {
    const ada = stores('ada', 'uploads')
    const saved = await ada.saveSessionUpload('run.jsonl', '{"a":1}\nnot json')
    const { storedAt } = saved
    expect(saved).toMatchObject({ originalName: 'run.jsonl', size: 16, source: 'upload' })
    expect(saved).toMatchObject({ url: `/api/uploads/${saved.id}`, lastModifiedIso: storedAt })
    expect(saved.lastModifiedMs).toBe(Date.parse(storedAt))
    for (const field of ['repoLabel', 'repoMeta', 'sourcePath', 'workspaceRoot']) {
      expect(saved).not.toHaveProperty(field)
    }
    expect(await ada.getSessionUploadContent(saved.id)).toBe('{"a":1}\nnot json')
    expect(await ada.getSessionUploadContentByOriginalName('run.jsonl')).toBe('{"a":1}\nnot json')
    expect(await ada.getSessionUploadContentByOriginalName('none')).toBeNull()
    expect(await ada.findSessionUploadRecordByOriginalName('run.jsonl')).toEqual(saved)
    expect(await ada.findSessionUploadRecordById(saved.id)).toEqual(saved)
    expect(await ada.getSessionUploadSummaryById(saved.id)).toEqual(saved)
    expect(await ada.listSessionUploadRecords()).toEqual([saved])
    await expect(ada.refreshSessionUploadFromSource(saved.id)).rejects.toThrow('no source file')
    const replaced = await ada.replaceSessionUploadContent(saved.id, 'new')
    expect(replaced).toMatchObject({ id: saved.id, size: 3 })
    expect(await ada.getSessionUploadContent(saved.id)).toBe('new')
  })

  test('one record per source file, whose content follows the file', async () => {
    const ada = stores('ada', 'files', { sourceDirectories: [directory] })
    const path = join(directory, 'run.jsonl')
    await writeFile(path, '{"type":"one"}\n')
    await utimes(path, 1_700_000_000, 1_700_000_000)
    const file = {
      relativePath: 'sessions/run.jsonl',
      absolutePath: path,
      source: 'external',
    } as const
    const ensured = await Promise.all([1, 2, 3, 4].map(() => ada.ensureSessionUploadForFile(file)))
    const [first] = ensured
    expect(new Set(ensured.map(({ id }) => id)).size).toBe(1)
    expect(first).toMatchObject({
      ...{ originalName: 'sessions/run.jsonl', source: 'external', sourcePath: path, size: 15 },
      ...{ lastModifiedMs: 1.7e12, lastModifiedIso: new Date(1.7e12).toISOString() },
    })
    expect(await ada.ensureSessionUploadForFile(file)).toEqual(first)
    expect(await ada.findSessionUploadRecordBySourcePath(path)).toEqual(first)
    const message = await ada.appendChatMessage({
      ...{ sessionId: first?.id ?? '', mode: 'session', role: 'user', content: 'stays' },
    })

    await writeFile(path, '{"type":"one"}\n{"type":"two"}\n')
    const repo = { repoLabel: 'me/repo', repoMeta: { branch: 'main' }, origin: 'gemini-cli' }
    const changed = await ada.ensureSessionUploadForFile({ ...file, ...repo })
    expect(changed).toMatchObject({ id: first?.id, size: 30, ...repo })
    expect(await ada.getSessionUploadContent(changed.id)).toBe('{"type":"one"}\n{"type":"two"}\n')
    const events = `SELECT count(*)::int AS events FROM timeline_events WHERE session_id = $1`
    expect((await database.pool.query(events, [changed.id])).rows).toEqual([{ events: 2 }])
    expect(await ada.listSessionUploadRecords()).toHaveLength(1)

    await writeFile(path, 'refreshed')
    expect(await ada.refreshSessionUploadFromSource(changed.id)).toMatchObject({ size: 9 })
    expect(await ada.getSessionUploadContent(changed.id)).toBe('refreshed')
    expect(await ada.listChatMessages(changed.id, 'session')).toEqual([message])
  })

  test('secrets are masked in replaced contents too', async () => {
    const store = createSessionStore({ database: database.pool, redact: findSecrets })
    const ada = stores('ada-redacts', 'acme', { store })
    const { id } = await ada.saveSessionUpload('a.jsonl', '{"type":"x"}\n')
    const token = `ghp_${'a1'.repeat(18)}`
    await ada.replaceSessionUploadContent(id, `{"type":"x","token":"${token}"}\n`)
    expect(await ada.getSessionUploadContent(id)).not.toContain(token)
  })

  test('clearing deletes them, and keeps the chats of their sessions', async () => {
    const ada = stores('ada', 'cleared')
    const silent = await ada.saveSessionUpload('a.jsonl', '{}\n')
    const chatty = await ada.saveSessionUpload('b.jsonl', '{}\n')
    const message = await ada.appendChatMessage({
      ...{ sessionId: chatty.id, mode: 'session', role: 'user', content: 'stays' },
    })
    await stores('bob', 'cleared').saveSessionUpload('c.jsonl', '{}\n')
    await ada.clearSessionUploadRecords()
    expect(await ada.listSessionUploadRecords()).toEqual([])
    expect(await ada.listChatMessages(chatty.id, 'session')).toEqual([message])
    expect(await ada.getSessionUploadContent(silent.id)).toBeNull()
    expect(await stores('bob', 'cleared').listSessionUploadRecords()).toHaveLength(1)
  })

  test('files outside the allowed directories are refused, also through links', async () => {
    const allowed = join(directory, 'logs')
    await mkdir(allowed)
    const secret = join(directory, 'secret')
    await writeFile(secret, 'secret')
    await symlink(secret, join(allowed, 'link'))
    await symlink(directory, join(allowed, 'up'))
    const ada = stores('ada', 'refused', { sourceDirectories: [allowed] })
    const ensure = (absolutePath: string, of = ada) =>
      of.ensureSessionUploadForFile({ relativePath: 'x', absolutePath, source: 'external' })
    for (const path of [
      secret,
      join(allowed, 'link'),
      join(allowed, 'up', 'secret'),
      `${allowed}/../secret`,
      '/etc/passwd',
      `${allowed}-other`,
      allowed,
    ]) {
      await expect(ensure(path), path).rejects.toMatchObject({ code: 'forbidden' })
    }
    await expect(ensure(join(directory, 'nothing'))).rejects.toMatchObject({ code: 'forbidden' })
    await expect(ensure(join(allowed, 'none'))).rejects.toMatchObject({ code: 'not_found' })
    await mkdir(join(allowed, 'folder'))
    await expect(ensure(join(allowed, 'folder'))).rejects.toMatchObject({ code: 'invalid' })
    expect(await ada.listSessionUploadRecords()).toEqual([])
    const withoutDirectories = stores('ada', 'refused')
    await writeFile(join(allowed, 'ok'), 'ok')
    await expect(ensure(join(allowed, 'ok'), withoutDirectories)).rejects.toThrow(
      'allowed directory',
    )

    const { id } = await ensure(join(allowed, 'ok'))
    await database.pool.query('UPDATE sessions SET source_path = $2 WHERE id = $1', [id, secret])
    await expect(ada.refreshSessionUploadFromSource(id)).rejects.toMatchObject({
      code: 'forbidden',
    })
    expect(await ada.getSessionUploadContent(id)).toBe('ok')
  })
})

test('hides and protects the rows of other users', async () => {
  const ada = stores('ada')
  const message = await ada.appendChatMessage({
    ...{ sessionId: 'private', mode: 'session', role: 'user', content: 'secret' },
  })
  const event = await ada.appendChatToolEvent({
    ...{ sessionId: 'private', toolName: 'read', arguments: {} },
  })
  for (const other of [stores('bob'), stores('ada', 'rival')]) {
    expect(await other.listChatThreads('private')).toEqual([])
    expect(await other.listChatMessagesByThread(message.threadId)).toEqual([])
    expect(await other.getChatThreadById(message.threadId)).toBeNull()
    expect(await other.listChatToolEvents('private')).toEqual([])
    expect(await other.listChatToolEventsByThread(message.threadId)).toEqual([])
    const renaming = other.renameChatThread(message.threadId, 'mine')
    await expect(renaming).rejects.toMatchObject({ code: 'not_found' })
    const completing = other.updateChatToolEventStatus(event.id, 'failed')
    await expect(completing).rejects.toMatchObject({ code: 'not_found' })
    await other.clearChatMessages()
    await other.clearChatToolEvents('private')
  }
  expect(await ada.listChatMessagesByThread(message.threadId)).toEqual([message])
  expect(await ada.listChatToolEvents('private')).toEqual([event])
})

test("a user's rows with unexpected metadata do not break another user's lists", async () => {
  const [ada, bob] = [stores('ada', 'poison'), stores('bob', 'poison')]
  const mine = await ada.saveSessionUpload('mine.jsonl', '{}\n')
  const store = createSessionStore({ database: database.pool })
  const write = (mutation: object) =>
    store.write({ tenantId: 'poison', userId: 'bob' }, { id: randomUUID(), mutations: [mutation] })
  const uploads: object[] = [
    { lastModifiedMs: 'abc', sourceUpdatedAt: {}, origin: [], storedAt: 7 },
    { lastModifiedMs: 1e300, storedAt: 'yesterday' },
  ]
  for (const upload of [...uploads, 'x', null]) {
    const { id } = await bob.saveSessionUpload('b.jsonl', '{}\n')
    const changes = { visibility: 'tenant', metadata: { upload } }
    await write({ collection: 'sessions', type: 'update', id, changes })
  }
  const listed = await ada.listSessionUploadRecords()
  expect(listed).toHaveLength(5)
  expect(listed[0]).toEqual(mine)
  for (const record of listed) expect(record.lastModifiedMs).toBe(Date.parse(record.storedAt))

  const sessionId = listed[1]?.id ?? ''
  const { id: threadId } = await bob.getActiveChatThread(sessionId, 'session')
  for (const [n, part] of [null, 'x', 7, {}].entries()) {
    const metadata = { id: 'other', sessionId: 'other', toolName: 'other', startedAt: {} }
    const value = { id: `poison-${n}`, threadId, role: 'tool', content: 'look' }
    await write({
      ...{ collection: 'chatMessages', type: 'insert' },
      value: { ...value, parts: [part], metadata },
    })
  }
  const events = await ada.listChatToolEvents(sessionId)
  expect(events.map(({ id, toolName }) => `${id} ${toolName}`).sort()).toEqual(
    [0, 1, 2, 3].map((n) => `poison-${n} look`),
  )
})

test('ids that another user has taken do not stop the user', async () => {
  const [ada, bob] = [
    stores('ada', 'taken', { sourceDirectories: [directory] }),
    stores('bob', 'taken', { sourceDirectories: [directory] }),
  ]
  const path = join(directory, 'run.jsonl')
  await writeFile(path, '{}\n')
  const file = { relativePath: 'run.jsonl', absolutePath: path, source: 'external' } as const
  const upload = await ada.ensureSessionUploadForFile(file)
  const thread = await ada.getActiveChatThread('s-taken', 'session')
  // The ids follow from ada's user, file and session: bob could compute them.
  await database.pool.query(`DELETE FROM sessions WHERE tenant_id = 'taken'`)
  const store = createSessionStore({ database: database.pool })
  const write = (mutation: object) =>
    store.write({ tenantId: 'taken', userId: 'bob' }, { id: randomUUID(), mutations: [mutation] })
  for (const id of [upload.id, 's-bob']) {
    await write({ collection: 'sessions', type: 'insert', value: { id, title: 'x' } })
  }
  const value = { id: thread.id, sessionId: 's-bob', mode: 'session', title: 'x' }
  await write({ collection: 'chatThreads', type: 'insert', value })

  const ensured = await Promise.all([1, 2].map(() => ada.ensureSessionUploadForFile(file)))
  expect(ensured.map(({ size }) => size)).toEqual([3, 3])
  expect(await ada.ensureSessionUploadForFile(file)).toMatchObject({ size: 3 })
  expect(await ada.getActiveChatThread('s-taken', 'session')).toMatchObject({ status: 'active' })
  const foreign = ada.getActiveChatThread('s-bob', 'session')
  await expect(foreign).rejects.toThrow('belongs to another user')
  expect(await bob.listChatThreads('s-bob')).toHaveLength(1)
})

describe('fixed session ids', () => {
  const input = { mode: 'session', role: 'user' } as const

  test('of scope user give each user a session, also after an import', async () => {
    const fixedSessions = { 'session-default': 'user', 'session-7*': 'user' } as const
    const tenantId = 'fixed'
    const files = { directory: snapshotDir('7f9df6a'), tenantId, userId: 'ada', fixedSessions }
    const report = await importLegacySnapshots({ database: database.pool, ...files })
    expect(report).toMatchObject({ ok: true })
    expect(report.stubSessions.map(({ title }) => title)).toContain('Default session')
    const again = await importLegacySnapshots({ database: database.pool, ...files })
    expect(again).toMatchObject({ ok: true, changed: false })

    const [ada, bob] = ['ada', 'bob'].map((user) => stores(user, tenantId, { fixedSessions }))
    if (ada === undefined || bob === undefined) throw new Error('no stores')
    const imported = await ada.listChatThreads('session-default')
    expect(imported.length).toBeGreaterThan(0)
    expect(new Set(imported.map(({ sessionId }) => sessionId))).toEqual(
      new Set(['session-default']),
    )
    expect(await bob.listChatThreads('session-default')).toEqual([])
    for (const sessionId of ['session-default', 'session-75706c6f6164732f61']) {
      const message = await bob.appendChatMessage({ ...input, sessionId, content: 'mine' })
      expect(message).toMatchObject({ sessionId, content: 'mine' })
      expect(await bob.listChatMessages(sessionId, 'session')).toEqual([message])
      expect(await ada.listChatMessagesByThread(message.threadId)).toEqual([])
      const { rows } = await database.pool.query(
        `SELECT session_id AS id FROM chat_threads WHERE tenant_id = $1 AND id = $2`,
        [tenantId, message.threadId],
      )
      expect(rows).toEqual([{ id: userSessionId(sessionId, 'bob') }])
    }
    expect(userSessionId('session-default', 'ada')).not.toBe(
      userSessionId('session-default', 'bob'),
    )
  })

  test('of scope tenant share one session', async () => {
    const fixedSessions = { 'session-default': 'tenant' } as const
    const tenantId = 'shared'
    const files = { directory: snapshotDir('7f9df6a'), tenantId, userId: 'ada', fixedSessions }
    await importLegacySnapshots({ database: database.pool, ...files })
    const [ada, bob] = ['ada', 'bob'].map((user) => stores(user, tenantId, { fixedSessions }))
    const imported = await ada?.listChatThreads('session-default')
    expect(await bob?.listChatThreads('session-default')).toEqual(imported)
    const { rows } = await database.pool.query(
      `SELECT visibility FROM sessions WHERE tenant_id = $1 ORDER BY id = 'session-default' DESC`,
      [tenantId],
    )
    expect(rows.map(({ visibility }) => visibility)).toEqual(['tenant', 'private', 'private'])

    const fresh = ['ann', 'ben'].map((user) => stores(user, 'fresh', { fixedSessions }))
    const threads = await Promise.all(
      fresh.map((one) => one.getActiveChatThread('session-default', 'session')),
    )
    expect(threads[1]).toEqual(threads[0])
  })

  test('that are too long to extend are refused', async () => {
    const ada = stores('ada', 'long', { fixedSessions: { 's*': 'user' } })
    const starting = ada.startNewChatThread('s'.repeat(120), 'session')
    await expect(starting).rejects.toMatchObject({ code: 'invalid' })
  })
})
