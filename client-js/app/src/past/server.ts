// What the page asks of the server about the past.
import { ApiError, call, type Page, type SpaceInfo } from '../api.js'
import { readToken } from '../token.js'
import type { Activity, Stretch } from './moment.js'
import type { Item } from './sentences.js'

const pathOf = (id: string) => `/spaces/${encodeURIComponent(id)}`

interface RawActivity {
  from: string
  to: string
  seq_from: number
  seq_to: number
  oldest_seq: number
  newest_seq: number
  bucket_ms: number
  buckets: Activity['buckets']
  members: {
    member: string
    user: string
    name: string
    spans: { from: string; to: string | null; away?: boolean }[]
  }[]
  more_members: number
}

/** `stretch` null: from the first event that is kept to the newest. */
export async function getActivity(
  id: string,
  stretch: Stretch | null,
  signal: AbortSignal,
): Promise<Activity> {
  const part = stretch ? `&from=${Math.floor(stretch.from)}&to=${Math.ceil(stretch.to)}` : ''
  const raw = await call<RawActivity>('GET', `${pathOf(id)}/activity?buckets=400${part}`, undefined, signal)
  return {
    from: Date.parse(raw.from),
    to: Date.parse(raw.to),
    seqFrom: raw.seq_from,
    seqTo: raw.seq_to,
    oldestSeq: raw.oldest_seq,
    newestSeq: raw.newest_seq,
    bucketMs: raw.bucket_ms,
    buckets: raw.buckets,
    moreMembers: raw.more_members,
    members: raw.members.map((member) => ({
      ...member,
      spans: member.spans.map(({ from, to, away }) => ({
        from: Date.parse(from),
        to: to === null ? null : Date.parse(to),
        away: away === true,
      })),
    })),
  }
}

export type Wanted = { readonly seq: number } | { readonly at: number }

/** The document of a moment as an update, and which moment it is. */
export async function getPast(
  id: string,
  wanted: Wanted,
  signal: AbortSignal,
): Promise<{ update: Uint8Array; seq: number }> {
  const moment = 'seq' in wanted ? `seq=${wanted.seq}` : `at=${Math.round(wanted.at)}`
  const token = readToken()
  let response: Response
  try {
    response = await fetch(`/api/v1${pathOf(id)}/document?${moment}`, {
      signal,
      headers: { accept: 'application/octet-stream', ...(token && { authorization: `Bearer ${token}` }) },
    })
  } catch (error) {
    if (signal.aborted) throw error
    throw new ApiError(0, 'The server does not answer.')
  }
  if (!response.ok) {
    const said = (await response.json().catch(() => null)) as { detail?: string } | null
    throw new ApiError(response.status, said?.detail ?? `The server answered ${response.status}.`)
  }
  return {
    update: new Uint8Array(await response.arrayBuffer()),
    seq: Number(response.headers.get('thexr-seq')),
  }
}

/** What happened up to an event, the newest last. */
export const getItems = (id: string, seq: number, count: number, signal: AbortSignal) =>
  call<Page<Item>>(
    'GET',
    `${pathOf(id)}/journal?after=${Math.max(0, seq - count)}&until=${seq}&limit=${count}`,
    undefined,
    signal,
  ).then((page) => page.items)

interface Listed {
  id: string
  components: Record<string, unknown>
}

export interface Diff {
  /** The moment it starts from. */
  from: number
  entities: { added: Listed[]; removed: Listed[]; changed: Listed[] }
  strokes: Record<string, { added: { count: number }; removed: { count: number } }>
  more: number
}

/** What is different between the present and a moment. */
export const getDiff = (id: string, now: number, seq: number, signal: AbortSignal) =>
  call<Diff>('GET', `${pathOf(id)}/diff?from=${now}&to=${seq}`, undefined, signal)

export const newestSeq = (id: string, signal?: AbortSignal) =>
  call<SpaceInfo>('GET', pathOf(id), undefined, signal).then((info) => info.seq ?? 0)

/**
 * Makes the present like that moment. Gives the moment before it, to go back to; null when there was nothing to change.
 * The answer's `seq` is the end of a commit that may hold what others did, so the restore is looked up by its note.
 */
export async function restore(id: string, seq: number, user: string): Promise<number | null> {
  const after = await newestSeq(id)
  const done = await call<{ seq: number }>('POST', `${pathOf(id)}/restore`, { seq, user })
  const query = `kind=restored&after=${after}&until=${done.seq}&limit=500`
  const { items } = await call<{ items: { seq: number; restored_seq?: number; user?: string }[] }>(
    'GET',
    `${pathOf(id)}/journal?${query}`,
  )
  const note = items.findLast((item) => item.restored_seq === seq && item.user === user)
  // The edit is right before its note.
  return note ? note.seq - 2 : null
}

export const fork = (id: string, seq: number, user: string, name: string) =>
  call<SpaceInfo>('POST', `${pathOf(id)}/fork`, { seq, user, name })
