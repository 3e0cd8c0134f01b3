// What a person is called and painted with, here and for others. The name is this browser's; the colour follows
// from the user id, so that everybody sees the same person in the same colour without agreeing on it.

const chosenKey = 'thexr:name'
const givenKey = 'thexr:given-name'
export const nameMax = 40

/** White text can be read on each of them, and each can be told from both papers. */
export const personColors: readonly string[] = [
  '#c8372d',
  '#b4550a',
  '#8b6a00',
  '#4f7a0d',
  '#15803d',
  '#0e7a70',
  '#0b76a0',
  '#2f6fed',
  '#6b57e8',
  '#9333d6',
  '#b82aa5',
  '#cc2f6b',
]

export function colorOf(userId: string): string {
  let hash = 2166136261
  for (let i = 0; i < userId.length; i++) hash = Math.imul(hash ^ userId.charCodeAt(i), 16777619)
  // Ids that differ in their last letter only are still spread.
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  hash ^= hash >>> 16
  return personColors[(hash >>> 0) % personColors.length] ?? '#6b57e8'
}

/** Names come from strangers: one line, not endless, never empty. */
export function nameIn(state: unknown): string {
  const name = (state as { name?: unknown } | null | undefined)?.name
  if (typeof name !== 'string') return 'Guest'
  // Controls, and what turns the direction of the text around it.
  const clean = name.replace(/[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu, ' ').trim()
  return [...clean].slice(0, nameMax).join('') || 'Guest'
}

export function initialsOf(name: string): string {
  const words = name.split(/\s+/).filter((word) => /[\p{L}\p{N}]/u.test(word))
  const letters = [words[0], words.length > 1 ? words.at(-1) : undefined].map(
    (word) => [...(word ?? '')].find((letter) => /[\p{L}\p{N}]/u.test(letter)) ?? '',
  )
  return letters.join('').toUpperCase() || '?'
}

const firsts = ['Amber', 'Brisk', 'Calm', 'Coral', 'Early', 'Gentle', 'Indigo', 'Lucky', 'Misty', 'Silver']
const lasts = ['Badger', 'Crane', 'Finch', 'Fox', 'Heron', 'Lynx', 'Marten', 'Otter', 'Robin', 'Wren']

const pick = (from: readonly string[]): string => from[Math.floor(Math.random() * from.length)] ?? ''

const read = (key: string): string | null => {
  try {
    return localStorage.getItem(key) || null
  } catch {
    return null
  }
}
const write = (key: string, value: string): void => {
  try {
    localStorage.setItem(key, value)
  } catch {
    // Storage is off: the name lasts as long as the tab.
  }
}

/** The name this person typed once, if they did. It goes before whatever a token says. */
export const chosenName = (): string | null => read(chosenKey)

export function chooseName(name: string): void {
  write(chosenKey, name)
}

/** For whoever has not said: friendlier than twenty people called Guest. */
export function givenName(): string {
  const name = read(givenKey) ?? `${pick(firsts)} ${pick(lasts)}`
  write(givenKey, name)
  return name
}

/** Another tab of this browser chose a name. */
export function onChosenElsewhere(fn: (name: string) => void): () => void {
  const listener = (event: StorageEvent) => {
    if (event.key === chosenKey && event.newValue) fn(event.newValue)
  }
  addEventListener('storage', listener)
  return () => removeEventListener('storage', listener)
}
