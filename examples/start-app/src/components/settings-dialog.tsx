import { type ReactNode, useState } from 'react'
import { type Appearance, applyAppearance, storedAppearance } from '#/lib/theme'
import { DEVTOOLS, useSessionDb } from './session-db'
import { Button } from './ui/button'
import { Dialog } from './ui/dialog'
import { Segmented } from './ui/segmented'

/** How the app looks in this browser, and its developer tools. */
export default function SettingsDialog({ onClose }: { onClose: () => void }) {
  const { showDevtools } = useSessionDb()
  const [appearance, setAppearance] = useState(storedAppearance)
  const [devtools, setDevtools] = useState(localStorage.getItem(DEVTOOLS) === 'on' ? 'on' : 'off')

  function change(changes: Partial<Appearance>) {
    const next = { ...appearance, ...changes }
    setAppearance(next)
    applyAppearance(next)
  }

  return (
    <Dialog
      title="Settings"
      description="For this browser, on all accounts that sign in here."
      onClose={onClose}
    >
      <dl className="mt-4 space-y-3 text-sm">
        <Setting name="Theme">
          <Segmented
            label="Theme"
            value={appearance.theme}
            options={[
              { value: 'system', label: 'System' },
              { value: 'light', label: 'Light' },
              { value: 'dark', label: 'Dark' },
            ]}
            onChange={(theme) => change({ theme })}
          />
        </Setting>
        <Setting name="Density">
          <Segmented
            label="Density"
            value={appearance.density}
            options={[
              { value: 'comfortable', label: 'Comfortable' },
              { value: 'compact', label: 'Compact', testId: 'compact' },
            ]}
            onChange={(density) => change({ density })}
          />
        </Setting>
        <Setting name="Sync inspector">
          <Segmented
            label="Sync inspector"
            value={devtools}
            options={[
              { value: 'off', label: 'Off' },
              { value: 'on', label: 'On', testId: 'devtools-on' },
            ]}
            onChange={(next) => {
              setDevtools(next)
              showDevtools(next === 'on')
            }}
          />
        </Setting>
      </dl>
      <div className="mt-5 flex justify-end">
        <Button onClick={onClose}>Done</Button>
      </div>
    </Dialog>
  )
}

function Setting({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div className="flex flex-wrap items-center justify-between gap-2">
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  )
}
