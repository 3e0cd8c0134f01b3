// The small picture of a space on its card, kept in this browser only.
const prefix = 'thexr:thumb:'
const keep = 40

export function readThumb(id: string): string | null {
  try {
    const value = localStorage.getItem(prefix + id)
    return value?.startsWith('data:image/') ? value : null
  } catch {
    return null
  }
}

export function writeThumb(id: string, picture: string): void {
  try {
    const others = Object.keys(localStorage).filter((key) => key.startsWith(prefix) && key !== prefix + id)
    for (const key of others.slice(0, Math.max(0, others.length - keep + 1))) localStorage.removeItem(key)
    localStorage.setItem(prefix + id, picture)
  } catch {
    // A card without a picture is no loss.
  }
}
