// The keys of the timeline's slider.
import type { Travel } from './travel.js'

export function onSliderKey(event: KeyboardEvent, travel: Travel, close: () => void): void {
  const { whole } = travel
  if (!whole || event.ctrlKey || event.metaKey || event.altKey) return
  const arrow = (way: number) => () =>
    event.shiftKey ? travel.toTime(travel.at() + way * 10_000) : travel.step(way)
  const minute = (way: number) => () => travel.toTime(travel.at() + way * 60_000)
  const zoom = (factor: number) => () => travel.zoom(factor, travel.at())
  const acts: Record<string, () => void> = {
    ArrowLeft: arrow(-1),
    ArrowDown: arrow(-1),
    ArrowRight: arrow(1),
    ArrowUp: arrow(1),
    PageDown: minute(-1),
    PageUp: minute(1),
    Home: () => travel.toSeq(whole.oldestSeq, whole.from),
    End: travel.toNow,
    ' ': travel.toggle,
    '[': () => travel.pace(-1),
    ']': () => travel.pace(1),
    '+': zoom(0.5),
    '=': zoom(0.5),
    '-': zoom(2),
    '0': travel.showAll,
    Escape: () => (travel.moment ? travel.toNow() : close()),
  }
  const act = acts[event.key]
  if (!act) return
  event.preventDefault()
  // The board has keys of the same names.
  event.stopPropagation()
  act()
}
