// Who came and went, in few words: gathered for a moment, then at most one note in two seconds.
import { useEffect } from 'preact/hooks'
import type { AppSpace } from '../space/room.js'
import { toast } from '../ui/toast.js'
import { nameIn } from './identity.js'

/** A bus load of people arrives within this. */
const gatherMs = 300
const pauseMs = 2000

export interface Announcer {
  joined(userId: string, name: string): void
  left(userId: string, name: string): void
  stop(): void
}

const said = (names: readonly string[], what: string): string => {
  if (names.length === 0) return ''
  if (names.length > 2) return `${names.length} people ${what}`
  return `${names.join(' and ')} ${what}`
}

/** Who comes and goes within one pause is not worth a word. */
export function createAnnouncer(tell: (text: string) => void): Announcer {
  const came = new Map<string, string>()
  const went = new Map<string, string>()
  let lastAt = -Infinity
  let timer: ReturnType<typeof setTimeout> | undefined

  const flush = () => {
    timer = undefined
    const text = [said([...came.values()], 'joined'), said([...went.values()], 'left')]
      .filter(Boolean)
      .join('. ')
    came.clear()
    went.clear()
    if (!text) return
    lastAt = Date.now()
    tell(text)
  }
  const soon = () => {
    timer ??= setTimeout(flush, Math.max(gatherMs, lastAt + pauseMs - Date.now()))
  }
  return {
    joined: (userId, name) => {
      if (!went.delete(userId)) came.set(userId, name)
      soon()
    },
    left: (userId, name) => {
      if (!came.delete(userId)) went.set(userId, name)
      soon()
    },
    stop: () => clearTimeout(timer),
  }
}

/** Tells of people who come and go while we look; not of those who were there before us, and not of tabs. */
export function useAnnouncements(space: AppSpace) {
  useEffect(() => {
    const { presence } = space
    let close = () => {}
    const announcer = createAnnouncer((text) => {
      close()
      close = toast({ text })
    })
    // Whoever is listed before the first `sync` did not join, they were there.
    let listed = false
    const offs = [
      presence.on('sync', () => {
        listed = true
      }),
      presence.on('join', (member, { firstForUser }) => {
        if (listed && firstForUser && !member.me) announcer.joined(member.userId, nameIn(member.state))
      }),
      presence.on('leave', (member, { lastForUser }) => {
        if (listed && lastForUser && !member.me) announcer.left(member.userId, nameIn(member.state))
      }),
    ]
    return () => {
      offs.forEach((off) => off())
      announcer.stop()
    }
  }, [space])
}
