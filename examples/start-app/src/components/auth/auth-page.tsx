import { useHydrated } from '@tanstack/react-router'
import { type ComponentProps, type FormEvent, type ReactNode, useId, useState } from 'react'
import { Logo } from '#/components/logo'
import { Button } from '#/components/ui/button'
import { cn } from '#/lib/cn'

/** The layout of pages for users who are not signed in. */
export function AuthPage({ title, children }: { title: string; children: ReactNode }) {
  return (
    <main className="flex min-h-dvh flex-col items-center justify-center px-5 py-10">
      <div className="w-full max-w-sm">
        <Logo className="size-10" />
        <h1 className="mt-5 text-2xl font-semibold tracking-tight">{title}</h1>
        {children}
      </div>
    </main>
  )
}

interface FieldProps extends ComponentProps<'input'> {
  name: string
  label: string
}

/** A labelled text input. */
export function Field({ label, ...input }: FieldProps) {
  const id = useId()
  return (
    <div className="mt-4">
      <label htmlFor={id} className="text-sm font-medium">
        {label}
      </label>
      <input
        id={id}
        required
        data-testid={`field-${input.name}`}
        className="mt-1.5 h-10 w-full rounded-lg border bg-background px-3 text-sm"
        {...input}
      />
    </div>
  )
}

/** The result of better-auth's client. */
interface Answer {
  readonly error: { readonly message?: string; readonly status: number } | null
}

interface AuthFormProps {
  action: string
  /** Sends the form to the server. */
  submit: (values: Record<string, string>) => Promise<Answer>
  onDone: () => void
  children: ReactNode
}

/** A form that shows the server's error. */
export function AuthForm({ action, submit, onDone, children }: AuthFormProps) {
  const hydrated = useHydrated()
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState('')

  async function onSubmit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault()
    const values = Object.fromEntries(new FormData(event.currentTarget)) as Record<string, string>
    setBusy(true)
    setProblem('')
    const { error } = await submit(values).catch(() => ({
      error: { status: 0 } as Answer['error'],
    }))
    if (error === null) return onDone()
    setProblem(problemOf(error))
    setBusy(false)
  }

  // POST, in case the form is submitted before the script has loaded: a GET would put the password
  // in the URL.
  return (
    <form method="post" onSubmit={onSubmit}>
      {children}
      {problem && (
        <p role="alert" className="mt-4 rounded-lg bg-danger-soft px-3 py-2 text-sm text-danger">
          {problem}
        </p>
      )}
      <Button
        type="submit"
        variant="primary"
        className={cn('mt-5 h-10 w-full', !busy && 'disabled:opacity-100')}
        disabled={!hydrated || busy}
        data-testid="submit"
      >
        {action}
      </Button>
    </form>
  )
}

function problemOf({ status, message }: NonNullable<Answer['error']>): string {
  if (status === 429) return 'Too many attempts. Wait a minute, then try again.'
  return message || 'The server cannot be reached. Try again in a moment.'
}
