// The whiteboard: canvases, what they say to people who cannot see them, and the tools around them.
import type { Board as BoardHandle } from '@thexr/client'
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { offerUndo } from '../space/outline.js'
import type { AppSpace } from '../space/room.js'
import { writeThumb } from '../space/thumb.js'
import { useChanges, useMedia } from '../ui/hooks.js'
import { toast } from '../ui/toast.js'
import type { Camera } from './camera.js'
import { showCursors } from './cursors.js'
import { listenToKeys } from './keys.js'
import { listenToPointers } from './pointer.js'
import { createSurface, readInk, renderPicture, type Surface } from './surface.js'
import { Toolbar, ViewBar } from './toolbar.js'
import { tools } from './tools.js'

/** The board every space starts with. Its entity is made with the first stroke. */
const mainBoard = 'board'

export function Board({ space, chosen }: { space: AppSpace; chosen: string | null }) {
  const base = useRef<HTMLCanvasElement>(null)
  const wet = useRef<HTMLCanvasElement>(null)
  const layer = useRef<HTMLDivElement>(null)
  const [surface, setSurface] = useState<Surface | null>(null)
  const [zoom, setZoom] = useState(1)
  const [failure, setFailure] = useState('')
  const dark = useMedia('(prefers-color-scheme: dark)')
  const { tool } = tools.use()
  const id = useBoardId(space, chosen)
  const board = useMemo(() => space.board(id), [space, id])
  useChanges(
    (changed) => {
      const offs = [board.on('add', changed), board.on('remove', changed)]
      return () => offs.forEach((off) => off())
    },
    [board],
  )

  const failed = (error: unknown) =>
    toast({ text: error instanceof Error ? error.message : String(error), tone: 'bad' })
  // Ink goes into the history of the space, so that one undo takes back whatever came last.
  const commit = (write: () => void) => space.transact(write)
  const current = useRef({ begin: (): BoardHandle | null => null })
  current.current.begin = () => {
    if (space.readOnly) return null
    if (space.entities.get(id)?.get('whiteboard') === undefined) {
      // Ink without an entity is swept as an orphan, so undoing my first stroke must not take the entity along.
      space.transact(() => space.entities.create({ whiteboard: {} }, { id }), { undo: false })
    }
    return board
  }

  useEffect(() => {
    const [below, above] = [base.current, wet.current]
    if (!below || !above) return
    let made: Surface
    try {
      made = createSurface(below, above, (camera) => {
        setZoom(camera.zoom)
        movePaper(below.parentElement, camera)
      })
    } catch (error) {
      setFailure(error instanceof Error ? error.message : String(error))
      return
    }
    const hands = { canvas: above, surface: made, begin: () => current.current.begin(), commit, failed }
    const offs = [listenToPointers(hands), listenToKeys(hands)]
    setSurface(made)
    return () => {
      offs.forEach((off) => off())
      made.destroy()
    }
  }, [])
  useEffect(() => surface?.setBoard(board), [surface, board])
  useEffect(() => surface?.setDark(dark), [surface, dark])
  useEffect(() => {
    if (space.past) return
    if (surface && wet.current && layer.current)
      return showCursors({ canvas: wet.current, layer: layer.current, surface, space, boardId: id })
  }, [surface, space, id])
  useThumb(space, board)

  const count = board.strokes.length
  const clear = () => {
    try {
      commit(() => board.clear())
      offerUndo(space, 'Board cleared.')
    } catch (error) {
      failed(error)
    }
  }
  const save = () => {
    const picture = surface && renderPicture(surface.inks, 2, 8192)
    picture?.toBlob((blob) => {
      if (!blob) return failed(new Error('The picture is too large for this browser.'))
      const link = document.createElement('a')
      link.href = URL.createObjectURL(blob)
      link.download = `${space.id}-${id}.png`
      link.click()
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000)
    }, 'image/png')
  }

  return (
    <section class="board" aria-label="Whiteboard">
      <canvas ref={base} class="board-ink" aria-hidden="true" />
      <canvas
        ref={wet}
        class="board-canvas"
        data-testid="board-canvas"
        data-tool={tool}
        data-strokes={count}
        tabIndex={0}
        role="application"
        aria-roledescription="whiteboard"
        aria-label={`Whiteboard, ${count === 1 ? '1 stroke' : `${count} strokes`}`}
        aria-describedby="board-help"
      />
      <div ref={layer} class="cursors" aria-hidden="true" />
      <p id="board-help" class="sr">
        {describe(board)} Arrow keys move the crosshair, Enter puts the pen down and lifts it, E is the
        eraser, P the pen. Press question mark for all keys.
      </p>
      {failure && (
        <p class="board-hint" role="alert">
          {failure} The outline still works.
        </p>
      )}
      {count === 0 && !failure && (
        <p class="board-hint" data-testid="board-empty">
          {space.readOnly
            ? space.past
              ? 'Nothing was drawn here then.'
              : 'Nothing has been drawn here yet.'
            : 'Draw here. Everybody in this space sees it.'}
        </p>
      )}
      {surface && <Toolbar readOnly={space.readOnly} />}
      {surface && (
        <ViewBar
          zoom={zoom}
          surface={surface}
          readOnly={space.readOnly}
          empty={count === 0}
          clear={clear}
          save={save}
        />
      )}
    </section>
  )
}

/** The dots of the paper go along with the camera, and never get too dense to see. */
function movePaper(paper: HTMLElement | null, { x, y, zoom }: Camera) {
  if (!paper) return
  const step = 24 * 2 ** -Math.round(Math.log2(zoom)) * zoom
  paper.style.backgroundSize = `${step}px ${step}px`
  paper.style.backgroundPosition = `${-x * zoom}px ${-y * zoom}px`
}

/** The chosen entity's board when it has one, else the last one chosen, else the main board. */
function useBoardId(space: AppSpace, chosen: string | null): string {
  const [last, setLast] = useState(mainBoard)
  const version = useChanges((changed) => space.entities.observe('whiteboard', changed), [space])
  useEffect(() => {
    if (chosen !== null && space.entities.get(chosen)?.get('whiteboard') !== undefined) setLast(chosen)
    else if (last !== mainBoard && !space.entities.has(last)) setLast(mainBoard)
  }, [space, chosen, last, version])
  return last
}

/** Leaves small pictures for the card on the first page, of the present only. */
function useThumb(space: AppSpace, board: BoardHandle) {
  const present = useRef<{ id: string; board: BoardHandle } | null>(null)
  if (!space.past) present.current = { id: space.id, board }
  useEffect(() => {
    const keep = () => {
      if (!present.current) return
      const { id, board } = present.current
      const inks = board.strokes
        .slice(-400)
        .map((stroke) => readInk(stroke))
        .filter((ink) => ink !== null)
      const picture = (dark: boolean) => renderPicture(inks, 1, 320, dark)?.toDataURL('image/webp', 0.7)
      const [light, dark] = [picture(false), picture(true)]
      if (light && dark) writeThumb(id, light, dark)
    }
    const hidden = () => {
      if (document.hidden) keep()
    }
    document.addEventListener('visibilitychange', hidden)
    return () => {
      document.removeEventListener('visibilitychange', hidden)
      keep()
    }
  }, [])
}

function describe(board: BoardHandle): string {
  const people = new Set(board.strokes.map((stroke) => stroke.by)).size
  if (people === 0) return 'The board is empty.'
  return `${board.strokes.length} strokes by ${people === 1 ? '1 person' : `${people} people`}.`
}
