// The buttons of the timeline: step, play, speed, zoom, link.
import { hrefOf } from '../route.js'
import type { AppSpace } from '../space/room.js'
import { Icon } from '../ui/icon.js'
import { toast } from '../ui/toast.js'
import { clockText, momentText, type Activity, type Moment } from './moment.js'
import { speeds } from './player.js'
import type { Travel } from './travel.js'

interface Props {
  space: AppSpace
  travel: Travel
  close: () => void
}

export function Bar({ space, travel, close }: Props) {
  const { whole, moment, seq, playing, speed, stretch } = travel
  const share = async () => {
    const link = new URL(hrefOf(space.id, moment?.seq ?? seq), location.href).href
    const what = moment ? momentText(moment.at) : 'this moment'
    try {
      await navigator.clipboard.writeText(link)
      toast({ text: `Link to ${what} copied.` })
    } catch {
      toast({ text: `Copy this link: ${link}` })
    }
  }

  return (
    <div class="timeline-bar">
      <button
        class="icon-button"
        aria-label="One event back"
        title="One event back (←)"
        data-testid="step-back"
        disabled={!whole || seq <= whole.oldestSeq}
        onClick={() => travel.step(-1)}
      >
        <Icon name="stepBack" />
      </button>
      <button
        class="icon-button"
        aria-label={playing ? 'Pause' : 'Play'}
        title={playing ? 'Pause (Space)' : 'Play (Space)'}
        data-testid="play"
        aria-pressed={playing}
        disabled={!whole || whole.to <= whole.from}
        onClick={travel.toggle}
      >
        <Icon name={playing ? 'pause' : 'play'} />
      </button>
      <button
        class="icon-button"
        aria-label="One event on"
        title="One event on (→)"
        data-testid="step-on"
        disabled={!moment}
        onClick={() => travel.step(1)}
      >
        <Icon name="stepOn" />
      </button>
      <label class="speed">
        <span class="sr">Speed</span>
        <select
          data-testid="speed"
          title="Speed ([ and ])"
          value={String(speed)}
          onChange={(event) => travel.setPace(Number(event.currentTarget.value))}
        >
          {speeds.map((each) => (
            <option key={each} value={String(each)}>
              {each}×
            </option>
          ))}
        </select>
      </label>
      <p class="timeline-at" data-testid="timeline-at" data-seq={seq} data-now={!moment}>
        {whole ? <At whole={whole} moment={moment} seq={seq} /> : ''}
      </p>
      <span class="grow" />
      <button
        class="icon-button wide-only"
        aria-label="Farther"
        title="Show more time (−)"
        disabled={!stretch}
        onClick={() => travel.zoom(2, moment?.at ?? whole?.to ?? 0)}
      >
        <Icon name="minus" />
      </button>
      <button
        class="icon-button wide-only"
        aria-label="Closer"
        title="Show less time (+)"
        disabled={!whole || whole.to - whole.from < 2000}
        onClick={() => travel.zoom(0.5, moment?.at ?? whole?.to ?? 0)}
      >
        <Icon name="add" />
      </button>
      <button
        class="icon-button"
        aria-label="Copy a link to this moment"
        title="Copy a link to this moment"
        data-testid="share-moment"
        disabled={!whole}
        onClick={share}
      >
        <Icon name="link" />
      </button>
      <button
        class="icon-button"
        aria-label="Close the timeline"
        title="Close (T)"
        data-testid="close-timeline"
        onClick={close}
      >
        <Icon name="close" />
      </button>
    </div>
  )
}

function At({ whole, moment, seq }: { whole: Activity; moment: Moment | null; seq: number }) {
  return (
    <>
      <strong>{moment ? clockText(moment.at) : 'Now'}</strong>
      <span class="fine">
        {' '}
        event {seq.toLocaleString()} of {Math.max(seq, whole.newestSeq).toLocaleString()}
      </span>
    </>
  )
}
