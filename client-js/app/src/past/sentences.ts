// What happened, in sentences. Plain functions.
import { nameIn } from '../people/identity.js'

export interface Change {
  readonly entity: string
  readonly component?: string
  readonly change: string
  readonly added?: number
  readonly erased?: number
}

/** An item of the journal. */
export interface Item {
  readonly seq: number
  readonly at: string
  readonly kind: string
  readonly member?: string
  readonly user?: string
  readonly name?: string
  readonly reason?: string
  readonly changes?: readonly Change[]
  readonly more_changes?: number
  readonly restored_seq?: number
  readonly forked_from?: { readonly space: string; readonly seq: number }
}

export interface Names {
  /** What a user is called; undefined when nobody knows. */
  user(id: string): string | undefined
  entity(id: string): string
}

const reasons: Record<string, string> = {
  bye: 'closed',
  grace: 'lost',
  kicked: 'removed',
  expired: 'access ran out',
  shutdown: 'the server stopped',
  replaced: 'came in elsewhere',
}

/** Ids are long, and most were made up. */
export const shortId = (id: string): string => (id.length > 14 ? `${id.slice(0, 8)}…` : id)

export const counted = (n: number, one: string, many = `${one}s`): string =>
  `${n.toLocaleString()} ${n === 1 ? one : many}`

const verbs: Record<string, string> = { added: 'added', changed: 'replaced', removed: 'deleted' }

function changeText({ entity, component, change, added = 0, erased = 0 }: Change, names: Names): string {
  const name = names.entity(entity)
  if (change === 'strokes') {
    const parts = [
      added > 0 && `drew ${counted(added, 'stroke')}`,
      erased > 0 && `erased ${counted(erased, 'stroke')}`,
    ]
    return parts.filter(Boolean).join(' and ') || 'drew'
  }
  if (component === undefined) return `${verbs[change] ?? change} ${name}`
  if (component === 'transform' && change === 'changed') return `moved ${name}`
  if (change === 'changed') return `changed ${component} of ${name}`
  return change === 'added' ? `added ${component} to ${name}` : `took ${component} from ${name}`
}

/** “moved Lamp and 2 more” */
function editText(item: Item, names: Names): string {
  const all = item.changes
  if (!all || all.length === 0) return 'edited'
  // An entity that came brings its components, which is one thing to tell.
  const came = new Set(
    all.filter((each) => each.change === 'added' && !each.component).map((each) => each.entity),
  )
  const told = all.filter((each) => !(each.component && each.change === 'added' && came.has(each.entity)))
  const [first, ...rest] = told
  if (!first) return 'edited'
  const more = rest.length + (item.more_changes ?? 0)
  return `${changeText(first, names)}${more > 0 ? ` and ${more.toLocaleString()} more` : ''}`
}

export function sentenceOf(item: Item, names: Names): string {
  const known = item.name ?? (item.user === undefined ? undefined : names.user(item.user))
  const who = item.user === undefined && item.name === undefined ? 'A program' : nameIn({ name: known })
  switch (item.kind) {
    case 'edit':
      return `${who} ${editText(item, names)}`
    case 'joined':
      return `${who} came`
    case 'suspended':
      return `${who} was lost`
    case 'resumed':
      return `${who} came back`
    case 'left':
      return `${who} left (${reasons[item.reason ?? ''] ?? item.reason ?? 'closed'})`
    case 'restored':
      return `${who} went back to event ${(item.restored_seq ?? 0).toLocaleString()}`
    case 'compacted':
      return 'The history was packed'
    case 'forked':
      return `Began as a copy of ${item.forked_from?.space ?? 'another space'}`
    default:
      return item.kind
  }
}

export interface Line {
  /** The last event it tells of. */
  readonly seq: number
  readonly at: number
  readonly text: string
  readonly times: number
}

/** Newest first; what is said again and again is said once. */
export function linesOf(items: readonly Item[], names: Names): Line[] {
  const lines: Line[] = []
  for (const item of [...items].reverse()) {
    const text = sentenceOf(item, names)
    const last = lines.at(-1)
    if (last?.text === text) lines[lines.length - 1] = { ...last, times: last.times + 1 }
    else lines.push({ seq: item.seq, at: Date.parse(item.at), text, times: 1 })
  }
  return lines
}

interface DiffCounts {
  entities: { added: unknown[]; removed: unknown[]; changed: unknown[] }
  strokes: Record<string, { added: { count: number }; removed: { count: number } }>
  more: number
}

/** “3 entities come back, 2 go, 12 strokes come back”; empty when nothing is different. */
export function diffText({ entities, strokes, more }: DiffCounts): string {
  const sum = (what: 'added' | 'removed') =>
    Object.values(strokes).reduce((total, board) => total + board[what].count, 0)
  const parts: string[] = []
  const say = (n: number, noun: string, nouns: string, one: string, many: string) => {
    if (n === 0) return
    // The noun once, for as long as it is the same.
    const named = parts.some((part) => part.includes(noun) || part.includes(nouns))
      ? n.toLocaleString()
      : counted(n, noun, nouns)
    parts.push(`${named} ${n === 1 ? one : many}`)
  }
  say(entities.added.length, 'entity', 'entities', 'comes back', 'come back')
  say(entities.removed.length, 'entity', 'entities', 'goes', 'go')
  say(entities.changed.length, 'entity', 'entities', 'changes', 'change')
  say(sum('added'), 'stroke', 'strokes', 'comes back', 'come back')
  say(sum('removed'), 'stroke', 'strokes', 'goes', 'go')
  if (more > 0) parts.push(`and ${more.toLocaleString()} more`)
  return parts.join(', ')
}
