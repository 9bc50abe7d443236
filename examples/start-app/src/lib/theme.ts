const STORAGE_KEY = 'theme'

/** Runs in <head> before the first paint: the stored theme, or the system's. */
export const themeScript = `try{var t=localStorage.getItem('${STORAGE_KEY}')}catch(e){}
document.documentElement.classList.toggle('dark',t?t==='dark':matchMedia('(prefers-color-scheme: dark)').matches)`

/** Switches between light and dark and stores the choice. */
export function toggleTheme(): void {
  const dark = document.documentElement.classList.toggle('dark')
  localStorage.setItem(STORAGE_KEY, dark ? 'dark' : 'light')
}
