// What happened up to a moment, as a list of sentences.
import { useEffect, useState } from 'preact/hooks'
import type { AppSpace } from '../space/room.js'
import { labelOf } from '../space/vocabulary.js'
import { clockText, type Activity } from './moment.js'
import { linesOf, shortId, type Item } from './sentences.js'
import { getItems } from './server.js'

const itemsMax = 20
/** Whoever steps on does not want every list on the way. */
const restMs = 160

/** The last items up to an event, once that rests. The list before it stays until then. */
export function useItems(space: AppSpace, seq: number): readonly Item[] {
  const [items, setItems] = useState<readonly Item[]>([])
  useEffect(() => {
    const asking = new AbortController()
    const timer = setTimeout(() => {
      getItems(space.id, seq, itemsMax, asking.signal).then(setItems, () => {})
    }, restMs)
    return () => {
      clearTimeout(timer)
      asking.abort()
    }
  }, [space, seq])
  return items
}

interface Props {
  items: readonly Item[]
  activity: Activity
  /** Where the names of entities are looked up: the past, then the present. */
  spaces: readonly AppSpace[]
  go: (seq: number, at: number) => void
}

export function Happened({ items, activity, spaces, go }: Props) {
  const entity = (id: string): string => {
    for (const space of spaces) {
      const found = space.entities.get(id)
      if (found) return labelOf(found)
    }
    return shortId(id)
  }
  const user = (id: string) => activity.members.find((each) => each.user === id)?.name
  const lines = linesOf(items, { entity, user })
  return (
    <section class="happened" aria-label="What happened" data-testid="happened">
      {lines.length === 0 ? (
        <p class="none">Nothing before this moment.</p>
      ) : (
        <ol>
          {lines.map((line) => (
            <li key={line.seq}>
              <button
                // The slider steps through the same events.
                tabIndex={-1}
                onClick={() => go(line.seq, line.at)}
                title={`Event ${line.seq.toLocaleString()}`}
              >
                <span class="happened-text">
                  {line.text}
                  {line.times > 1 && <span class="tag">{line.times}×</span>}
                </span>
                <time class="fine" dateTime={new Date(line.at).toISOString()}>
                  {clockText(line.at)}
                </time>
              </button>
            </li>
          ))}
        </ol>
      )}
    </section>
  )
}
