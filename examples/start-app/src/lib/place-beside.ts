const EDGE = 8

/**
 * Places an open popover below a control, its right edges aligned, or above it, centred. Without room there, it goes
 * to the other side. Only for browsers without CSS anchors: in others the style sheet does this.
 */
export function placeBeside(popover: HTMLElement, control: Element, side: 'below' | 'above') {
  if (CSS.supports('position-area: bottom')) return
  const { left, right, top, bottom } = control.getBoundingClientRect()
  // Includes the margins of the popover.
  const height = popover.offsetHeight + 2 * 6
  const { offsetWidth: width } = popover
  const fitsAbove = top >= height
  const fitsBelow = window.innerHeight - bottom >= height
  const isBelow = side === 'below' ? fitsBelow || !fitsAbove : !fitsAbove
  const x = side === 'below' ? right - width : (left + right - width) / 2
  const furthest = document.documentElement.clientWidth - width - EDGE
  popover.style.marginInline = '0'
  popover.style.left = `${Math.max(EDGE, Math.min(x, furthest))}px`
  popover.style.top = `${Math.max(0, Math.min(isBelow ? bottom : top - height, window.innerHeight - height))}px`
}
