/** What is wrong with the page for somebody who cannot see well, or at all. Runs inside the page. */
export function accessibilityFaults(): string[] {
  const visible = (element: Element): boolean => element.checkVisibility({ opacityProperty: true, visibilityProperty: true })
  const channels = (color: string): number[] => (color.match(/[\d.]+/g) ?? []).map(Number)
  const background = (element: Element | null): number[] => {
    for (let at = element; at; at = at.parentElement) {
      const [red = 0, green = 0, blue = 0, alpha = 1] = channels(getComputedStyle(at).backgroundColor)
      if (alpha === 1) return [red, green, blue]
    }
    return [255, 255, 255]
  }
  const luminance = (color: number[]): number => {
    const [red = 0, green = 0, blue = 0] = color.map(value =>
      value / 255 <= 0.03928 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4,
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
  }
  const contrast = (one: number[], two: number[]): number => {
    const [light, dark] = [luminance(one), luminance(two)].sort((a, b) => b - a)
    return ((light ?? 0) + 0.05) / ((dark ?? 0) + 0.05)
  }

  const faults: string[] = []
  for (const element of document.querySelectorAll('button, input, select, a, summary')) {
    if (!visible(element)) continue
    const labels = 'labels' in element ? (element.labels as NodeListOf<Element> | null) : null
    if (!element.getAttribute('aria-label') && !element.textContent?.trim() && !labels?.length)
      faults.push(`no name: ${element.outerHTML.slice(0, 120)}`)
  }
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement
    const text = texts.currentNode.textContent?.trim()
    if (!element || !text || !visible(element) || element.closest(':disabled, .visually-hidden, noscript, script')) continue
    const style = getComputedStyle(element)
    // WCAG 2.2, 1.4.3: large text may have less.
    const large = Number.parseFloat(style.fontSize) >= 24 || (Number.parseFloat(style.fontSize) >= 18.66 && Number(style.fontWeight) >= 700)
    const ratio = contrast(channels(style.color), background(element))
    if (ratio < (large ? 3 : 4.5)) faults.push(`contrast ${ratio.toFixed(2)}: ${text.slice(0, 40)} (${style.color})`)
  }
  return faults
}
