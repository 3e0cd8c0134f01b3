// The small pictures of a space on its card, one for light and one for dark, kept in this browser only.
const prefix = 'thexr:thumb:'
const keep = 40

export function readThumb(id: string, dark: boolean): string | null {
  try {
    const value = localStorage.getItem(prefix + id)?.split('\n')[dark ? 1 : 0]
    return value?.startsWith('data:image/') ? value : null
  } catch {
    return null
  }
}

export function writeThumb(id: string, light: string, dark: string): void {
  try {
    const others = Object.keys(localStorage).filter((key) => key.startsWith(prefix) && key !== prefix + id)
    for (const key of others.slice(0, Math.max(0, others.length - keep + 1))) localStorage.removeItem(key)
    localStorage.setItem(prefix + id, `${light}\n${dark}`)
  } catch {
    // A card without a picture is no loss.
  }
}
