// One space in the list.
import type { SpaceInfo } from '../api.js'
import { hrefOf } from '../route.js'
import { readThumb } from '../space/thumb.js'
import { useMedia } from '../ui/hooks.js'

export function SpaceCard({ space }: { space: SpaceInfo }) {
  const thumb = readThumb(space.id, useMedia('(prefers-color-scheme: dark)'))
  const here = space.members ?? 0
  return (
    <li class="card">
      <a href={hrefOf(space.id)} data-testid="space-card" title={space.id}>
        <span class="card-view">
          {thumb ? (
            <img src={thumb} alt="" />
          ) : (
            <span class="card-letter" aria-hidden="true">
              {(space.name || space.id).slice(0, 1)}
            </span>
          )}
        </span>
        <span class="card-name">{space.name || space.id}</span>
        <span class="card-facts">
          {here > 0 && <span class="here">{here === 1 ? '1 person here' : `${here} people here`}</span>}
          <span>{space.seq ? `${space.seq.toLocaleString()} changes` : since(space.created_at)}</span>
        </span>
      </a>
    </li>
  )
}

function since(at: string | number | undefined): string {
  const date = at === undefined ? NaN : new Date(at).getTime()
  if (Number.isNaN(date)) return 'empty'
  return `made ${new Date(date).toLocaleDateString(undefined, { day: 'numeric', month: 'short', year: 'numeric' })}`
}
