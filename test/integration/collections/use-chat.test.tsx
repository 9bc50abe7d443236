import '../../support/page.ts'
import * as react7 from '@ai-sdk/react'
import { cleanup, configure, render } from '@testing-library/react'
import * as ai7 from 'ai'
import * as react6 from 'ai-sdk-react-6'
import * as ai6 from 'ai6'
import { Fragment, StrictMode } from 'react'
import { afterAll, afterEach, test as always, beforeAll, describe, expect } from 'vitest'
import { threadPath } from '../../../src/chat/thread-path.ts'
import { createChatTransport } from '../../../src/collections/index.ts'
import { toUIMessage } from '../../../src/schema/index.ts'
import { eventually } from '../../support/eventually.ts'
import { isDeep } from '../../support/property.ts'
import { finished, modelSaying, said } from '../docs/model.ts'
import { type AppServer, startAppServer } from './app-server.ts'
import { type Answer, answerWith, heldModel, removingModel, startThread } from './chat-route.ts'
import { openAs } from './open-as.ts'

configure({ asyncUtilTimeout: 30_000 }) // for slow machines
let app: AppServer

beforeAll(async () => {
  app = await startAppServer()
})
afterEach(() => cleanup())
afterAll(() => app.close())

type ChatOptions = Parameters<typeof react7.useChat>[0]

/** `useChat` with the functions of its SDK. */
type Sdk = Pick<typeof react7, 'useChat'> &
  Pick<typeof ai7, 'isToolUIPart' | 'getToolName'> & {
    readonly isDecided: typeof ai7.lastAssistantMessageIsCompleteWithApprovalResponses
  }

const isDecided6 = ai6.lastAssistantMessageIsCompleteWithApprovalResponses
const sdk7: Sdk = {
  ...ai7,
  ...react7,
  isDecided: ai7.lastAssistantMessageIsCompleteWithApprovalResponses,
}
const sdk6 = { ...ai6, ...react6, isDecided: isDecided6 } as unknown as Sdk

/** A chat as an app writes it. */
function Conversation({ sdk, options }: { readonly sdk: Sdk; readonly options: ChatOptions }) {
  const { useChat, isToolUIPart, getToolName, isDecided } = sdk
  const chat = useChat({ ...options, sendAutomaticallyWhen: isDecided })
  return (
    <>
      <p data-testid="status">{chat.status}</p>
      {chat.error && <p role="alert">{chat.error.message}</p>}
      {chat.messages.map((message) => (
        <p key={message.id} data-testid={message.role} id={message.id}>
          {message.parts.map((part, index) => {
            if (part.type === 'text') return part.text
            if (!isToolUIPart(part)) return null
            if (part.state !== 'approval-requested') return `[${getToolName(part)}: ${part.state}]`
            const { id } = part.approval
            const decide = (approved: boolean) => () =>
              void chat.addToolApprovalResponse({ id, approved })
            return (
              <span key={String(index)}>
                <button type="button" onClick={decide(true)}>
                  Approve
                </button>
                <button type="button" onClick={decide(false)}>
                  Deny
                </button>
              </span>
            )
          })}
        </p>
      ))}
      <button type="button" onClick={() => void chat.sendMessage({ text: 'What is the time?' })}>
        Send
      </button>
      <button type="button" onClick={() => void chat.stop()}>
        Stop
      </button>
      <button type="button" onClick={() => void chat.regenerate()}>
        Again
      </button>
    </>
  )
}

/** Starts a thread, and opens pages with its chat. */
async function startChat(sdk: Sdk, answer: Answer) {
  const { sessionId, threadId, route, ...started } = await startThread(app, answer)
  /** Opens the page, with the stored messages, as a browser does when it loads or reloads. */
  const openPage = async ({ user = 'acme/ann', Mode = StrictMode as typeof Fragment } = {}) => {
    const db = openAs(app, user)
    const { messages: rows } = db.thread({ id: threadId, sessionId }, { last: 50 })
    await rows.preload()
    const shown = threadPath([...rows.values()]).filter(({ status }) => status !== 'streaming')
    const messages = shown.map(toUIMessage) as unknown as ai7.UIMessage[]
    const transport = createChatTransport(db, { sessionId, url: route.url })
    const options = { id: threadId, messages, transport, resume: true } satisfies ChatOptions
    const container = document.body.appendChild(document.createElement('main'))
    const view = render(
      <Mode>
        <Conversation sdk={sdk} options={options} />
      </Mode>,
      { container },
    )
    return {
      ...view,
      click: (name: string) => view.getByText(name).click(),
      shown: () => view.queryAllByTestId(/user|assistant/).map(({ textContent }) => textContent),
      ids: () => view.queryAllByTestId(/user|assistant/).map(({ id }) => id),
      error: () => view.queryByRole('alert')?.textContent,
      status: () => view.getByTestId('status').textContent,
    }
  }
  return { ...started, sessionId, threadId, openPage }
}

const QUESTION = 'What is the time?'

describe.each([
  ['7', sdk7, always],
  // The other tests are about the server, or take the same way through the SDK.
  ['6', sdk6, always.skipIf(!isDeep)],
])('useChat of the AI SDK %s', (_, sdk, test) => {
  always('sends a question, shows the answer as it grows, and is ready again', async () => {
    const { model, release } = heldModel('It is ', 'noon.')
    const { openPage, stored } = await startChat(sdk, answerWith(model))
    const page = await openPage()
    expect(page.shown()).toEqual([])
    page.click('Send')
    await eventually(() => expect(page.shown()).toEqual([QUESTION, 'It is ']))
    expect(page.status()).toBe('streaming')
    release()
    await eventually(() => expect(page.shown()).toEqual([QUESTION, 'It is noon.']))
    await eventually(() => expect(page.status()).toBe('ready'))
    const messages = await stored()
    expect(messages.map(({ content }) => content)).toEqual([QUESTION, 'It is noon.'])
    expect(page.ids()).toEqual(messages.map(({ id }) => id))
    expect(page.error()).toBeUndefined()
  })

  always('stops an answer, which keeps its text, and asks again', async () => {
    const { model, wasAborted } = heldModel('It is ', 'noon.')
    const next = modelSaying([...said('It is one.'), finished('stop')])
    let asked = 0
    const { openPage, stored, errors } = await startChat(sdk, (question) =>
      answerWith(asked++ === 0 ? model : next)(question),
    )
    const page = await openPage()
    page.click('Send')
    await eventually(() => expect(page.shown()).toEqual([QUESTION, 'It is ']))
    page.click('Stop')
    await eventually(() => expect(page.status()).toBe('ready'))
    await eventually(async () =>
      expect((await stored())[1]).toMatchObject({ status: 'error', content: 'It is ' }),
    )
    await eventually(() => expect(wasAborted()).toBe(true))
    expect(page.shown()).toEqual([QUESTION, 'It is '])
    page.click('Again')
    await eventually(() => expect(page.shown()).toEqual([QUESTION, 'It is one.']))
    await eventually(() => expect(page.status()).toBe('ready'))
    expect(await stored()).toMatchObject([{ content: QUESTION }, { content: 'It is one.' }])
    expect(errors).toEqual([])
  })

  always(
    'goes on reading an answer after a reload, once, also where React mounts twice',
    async () => {
      const { model, release } = heldModel('It is ', 'noon.')
      const { openPage, stored } = await startChat(sdk, answerWith(model))
      const [before, other] = [await openPage(), await openPage()]
      before.click('Send')
      await eventually(() => expect(before.shown()).toEqual([QUESTION, 'It is ']))
      // A page that is closed doesn't unmount its components: the answer goes on.
      before.container.remove()
      const page = await openPage()
      await eventually(() => expect(page.shown()).toEqual([QUESTION, 'It is ']))
      expect(page.status()).toBe('streaming')
      release()
      await eventually(() => expect(page.shown()).toEqual([QUESTION, 'It is noon.']))
      await eventually(() => expect(page.status()).toBe('ready'))
      expect(page.error()).toBeUndefined()
      expect(await stored()).toMatchObject([{ status: 'complete' }, { status: 'complete' }])
      expect(model.doStreamCalls).toHaveLength(1)
      // A page that was open without an answer has nothing to resume.
      expect(other.status()).toBe('ready')
      const late = await openPage()
      expect(late.shown()).toEqual([QUESTION, 'It is noon.'])
      expect(late.status()).toBe('ready')
    },
  )

  test('puts another answer beside the first', async () => {
    const answers = ['One.', 'Two.'].map((text) => [...said(text), finished('stop')])
    const { openPage, stored, db, threadId, sessionId } = await startChat(
      sdk,
      answerWith(modelSaying(...answers)),
    )
    const page = await openPage()
    page.click('Send')
    await eventually(() => expect(page.shown()).toEqual([QUESTION, 'One.']))
    await eventually(() => expect(page.status()).toBe('ready'))
    page.click('Again')
    await eventually(() => expect(page.shown()).toEqual([QUESTION, 'Two.']))
    await eventually(() => expect(page.status()).toBe('ready'))
    expect(await stored()).toMatchObject([{ content: QUESTION }, { content: 'Two.' }])
    const { messages } = db.thread({ id: threadId, sessionId })
    await messages.preload()
    await eventually(() =>
      expect(messages.toArray.map(({ content }) => content).sort()).toEqual([
        'One.',
        'Two.',
        QUESTION,
      ]),
    )
    expect((await openPage()).shown()).toEqual([QUESTION, 'Two.'])
  })

  always.each([
    ['Approve', 'output-available', ['a']],
    ['Deny', 'output-denied', []],
  ])(
    'continues the same answer after %s, also in a page opened since',
    async (button, state, ran) => {
      const { answer, removed } = removingModel('Well.')
      const { openPage, stored } = await startChat(sdk, answer)
      const first = await openPage()
      first.click('Send')
      await first.findByText('Approve')
      await eventually(() => expect(first.status()).toBe('ready'))
      expect(removed).toEqual([])
      // The SDK sends nothing by itself while it stops, as it does after the first mount in strict mode.
      const page = await openPage({ Mode: Fragment })
      page.click(button)
      await eventually(() =>
        expect([page.error(), ...page.shown()]).toEqual([
          undefined,
          QUESTION,
          `[remove: ${state}]Well.`,
        ]),
      )
      await eventually(() => expect(page.status()).toBe('ready'))
      expect(page.error()).toBeUndefined()
      expect(removed).toEqual(ran)
      const messages = await stored()
      expect(messages.map(({ id }) => id)).toEqual(page.ids())
      expect(messages[1]?.parts).toContainEqual(
        expect.objectContaining({ toolCallId: 'c1', state }),
      )
    },
  )

  test('shows why a question was refused, and stores nothing', async () => {
    const model = modelSaying([...said('It is noon.'), finished('stop')])
    const { openPage, stored, db, sessionId, errors } = await startChat(sdk, answerWith(model))
    await db.actions.shareSession(sessionId, 'user:bob', 'viewer').committed
    const page = await openPage({ user: 'acme/bob' })
    page.click('Send')
    await eventually(() => expect(page.status()).toBe('error'))
    expect(page.error()).toMatch(/permission|not write/)
    expect(await stored()).toEqual([])
    expect(model.doStreamCalls).toHaveLength(0)
    expect(errors).toEqual([])
  })

  test('shows that an answer failed, not the reason, and asks again', async () => {
    let asked = 0
    const { openPage, stored, errors } = await startChat(sdk, (question) => {
      asked += 1
      if (asked === 1) throw new Error('secret of the server')
      return answerWith(modelSaying([...said('Here.'), finished('stop')]))(question)
    })
    const page = await openPage()
    page.click('Send')
    await eventually(() => expect(page.error()).toBe('The answer could not be completed.'))
    expect(errors).toMatchObject([{ message: 'secret of the server' }])
    page.click('Again')
    await eventually(() => expect(page.shown()).toEqual([QUESTION, 'Here.']))
    await eventually(() => expect(page.status()).toBe('ready'))
    expect(page.error()).toBeUndefined()
    expect(await stored()).toHaveLength(2)
  })
})
