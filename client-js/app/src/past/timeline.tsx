// The timeline of a space: the line below it, and above it the banner that says that this is the past.
import { useEffect, useRef } from 'preact/hooks'
import { useMedia } from '../ui/hooks.js'
import { Banner } from './banner.js'
import { Bar } from './bar.js'
import { Happened } from './happened.js'
import { onSliderKey } from './keys.js'
import { momentText, type Activity } from './moment.js'
import { Strip, valueTextOf } from './strip.js'
import { useTravel, type TravelProps } from './travel.js'

interface Props extends TravelProps {
  title: string
  close: () => void
}

export function Timeline({ title, close, ...props }: Props) {
  const { space, shown } = props
  const travel = useTravel(props)
  const { moment, whole, part, stretch, known, failure, settled, seq, items } = travel
  const slider = useRef<HTMLElement>(null)
  const wide = useMedia('(min-width: 1080px)')

  useEffect(() => {
    if (whole && !moment) slider.current?.querySelector<HTMLElement>('[role=slider]')?.focus()
  }, [whole !== null])

  const note = failure
    ? `${failure} You still see ${shown ? 'another moment' : 'the present'}.`
    : moment && !shown
      ? `Loading ${momentText(moment.at)}…`
      : travel.waiting
        ? 'Waiting for the server…'
        : ''
  return (
    <>
      {(moment || failure) && (
        <Banner
          space={space}
          title={title}
          moment={moment ?? { at: whole?.to ?? Date.now(), seq: null }}
          note={note}
          settled={settled && !failure}
          readOnly={space.readOnly}
          halt={travel.halt}
          retry={failure && moment ? travel.retry : null}
          back={travel.toNow}
        />
      )}
      <section class="timeline" aria-label="Timeline" data-testid="timeline" ref={slider}>
        <Bar space={space} travel={travel} close={close} />
        {known.state === 'loading' && (
          <div class="timeline-note" data-testid="timeline-loading">
            <p role="status">Reading the history…</p>
            <div class="skeleton" aria-hidden="true" />
          </div>
        )}
        {known.state === 'failed' && (
          <div class="timeline-note" role="alert" data-testid="timeline-failed">
            <p>The history needs the server. {known.why}</p>
            <button class="link" onClick={travel.again}>
              Try again
            </button>
          </div>
        )}
        {whole && part && (
          <div class="timeline-body">
            <div class="timeline-plot">
              <Strip
                activity={part}
                stretch={stretch ?? whole}
                moment={moment}
                seq={seq}
                valueText={valueTextOf(whole, moment && { at: moment.at, seq })}
                scrub={travel.toTime}
                zoom={travel.zoom}
                onKey={(event) => onSliderKey(event, travel, close)}
              />
              <PlotNote whole={whole} />
            </div>
            {wide && (
              <Happened
                items={items}
                activity={whole}
                spaces={shown ? [shown, space] : [space]}
                go={travel.toSeq}
              />
            )}
          </div>
        )}
      </section>
    </>
  )
}

/** What an empty or a cut history says about itself. */
function PlotNote({ whole }: { whole: Activity }) {
  const edits = whole.buckets.some((bucket) => bucket.edits > 0)
  if (!edits)
    return (
      <p class="plot-note fine" data-testid="timeline-empty">
        Nothing has been changed here yet. What happens from now on can be played back.
      </p>
    )
  if (whole.oldestSeq > 0)
    return (
      <p class="plot-note fine" data-testid="timeline-pruned">
        Kept from {momentText(whole.from)} on; what is older is gone.
      </p>
    )
  return null
}
