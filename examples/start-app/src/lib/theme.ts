/** How the app looks in this browser. */
export interface Appearance {
  readonly theme: 'system' | 'light' | 'dark'
  readonly density: 'comfortable' | 'compact'
}

/** Runs in <head> before the first paint: the stored appearance, or the system's theme. */
export const themeScript = `try{var t=localStorage.getItem('theme'),d=localStorage.getItem('density')}catch(e){}
document.documentElement.classList.toggle('dark',t?t==='dark':matchMedia('(prefers-color-scheme: dark)').matches)
document.documentElement.classList.toggle('compact',d==='compact')`

/** Reads the stored appearance. */
export function storedAppearance(): Appearance {
  const theme = localStorage.getItem('theme')
  return {
    theme: theme === 'light' || theme === 'dark' ? theme : 'system',
    density: localStorage.getItem('density') === 'compact' ? 'compact' : 'comfortable',
  }
}

/** Stores the appearance and applies it. */
export function applyAppearance({ theme, density }: Appearance): void {
  if (theme === 'system') localStorage.removeItem('theme')
  else localStorage.setItem('theme', theme)
  localStorage.setItem('density', density)
  const { classList } = document.documentElement
  const isDark =
    theme === 'system' ? matchMedia('(prefers-color-scheme: dark)').matches : theme === 'dark'
  classList.toggle('dark', isDark)
  classList.toggle('compact', density === 'compact')
}

/** Switches between light and dark and stores the choice. */
export function toggleTheme(): void {
  const isDark = document.documentElement.classList.contains('dark')
  applyAppearance({ ...storedAppearance(), theme: isDark ? 'light' : 'dark' })
}
