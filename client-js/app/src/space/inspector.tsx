// The components of the chosen entity: change, add, remove.
import { useEffect, useState } from 'preact/hooks'
import { useChanges } from '../ui/hooks.js'
import { Icon } from '../ui/icon.js'
import { say } from '../ui/voice.js'
import { ComponentEditor } from './component-editor.js'
import { removeEntity } from './outline.js'
import { useHands } from './previews.js'
import type { AppEntity, AppSpace } from './room.js'
import { componentOrder, labelOf, starterOf } from './vocabulary.js'

const none: readonly AppEntity[] = []

interface Props {
  space: AppSpace
  chosen: string | null
  choose: (id: string | null) => void
}

export function Inspector({ space, chosen, choose }: Props) {
  useChanges(
    (changed) => {
      const mine = (id: string) => {
        if (id === chosen) changed()
      }
      const offs = [
        space.entities.on('change', (change) => mine(change.id)),
        space.entities.on('add', (entity) => mine(entity.id)),
        space.entities.on('remove', mine),
      ]
      return () => offs.forEach((off) => off())
    },
    [space, chosen],
  )
  const entity = chosen === null ? undefined : space.entities.get(chosen)

  return (
    <section class="inspector" aria-label="Inspector" data-testid="inspector">
      <header>
        <h2 id="inspector" tabIndex={-1}>
          {entity ? labelOf(entity) : 'Inspector'}
        </h2>
        <span class="grow" />
        {entity && !space.readOnly && (
          <button
            class="icon-button"
            data-testid="delete-entity"
            aria-label="Delete entity"
            title="Delete entity"
            onClick={() => {
              if (removeEntity(space, entity)) choose(null)
            }}
          >
            <Icon name="trash" />
          </button>
        )}
        {chosen !== null && (
          <button
            class="icon-button"
            aria-label="Close inspector"
            title="Close (Esc)"
            onClick={() => choose(null)}
          >
            <Icon name="close" />
          </button>
        )}
      </header>
      {entity && <Components key={entity.id} space={space} entity={entity} />}
      {!entity &&
        (chosen === null ? (
          <p class="none">Choose an entity in the outline to see its components.</p>
        ) : (
          <p class="none">{space.past ? 'It is not there at this moment.' : 'This entity was deleted.'}</p>
        ))}
    </section>
  )
}

function Components({ space, entity }: { space: AppSpace; entity: AppEntity }) {
  const components = entity.toJSON()
  const hands = useHands(space)(entity)
  const others = [...space.entities].filter((each) => each.id !== entity.id)
  const rank = (name: string) =>
    componentOrder.includes(name) ? componentOrder.indexOf(name) : componentOrder.length
  const names = Object.keys(components).sort((a, b) => rank(a) - rank(b) || a.localeCompare(b))
  return (
    <div class="components">
      <p class="fine mono">{entity.id}</p>
      {names.map((name) => (
        <ComponentEditor
          key={name}
          name={name}
          value={entity.live(name) ?? components[name]}
          hand={hands.find((each) => each.component === name)}
          begin={() => {
            const gesture = space.gesture()
            return { ...gesture, set: (value) => gesture.set(entity.id, name, value) }
          }}
          readOnly={space.readOnly}
          among={name === 'parent' ? others : none}
          set={(value) => {
            entity.set(name, value)
          }}
          remove={() => {
            entity.remove(name)
          }}
        />
      ))}
      {!space.readOnly && (
        <AddComponent
          taken={names}
          others={others}
          add={(name, value) => {
            entity.set(name, value)
          }}
        />
      )}
    </div>
  )
}

interface AddProps {
  taken: readonly string[]
  others: readonly AppEntity[]
  add: (name: string, value: unknown) => void
}

function AddComponent({ taken, others, add }: AddProps) {
  const [open, setOpen] = useState(false)
  const [name, setName] = useState('')
  const [error, setError] = useState('')
  useEffect(() => setError(''), [name])

  const put = (wanted: string) => {
    try {
      add(wanted, starterOf(wanted, others))
      setOpen(false)
      setName('')
      say(`${wanted} added.`)
    } catch (failure) {
      setError(failure instanceof Error ? failure.message : String(failure))
    }
  }
  const submit = (event: Event) => {
    event.preventDefault()
    const wanted = name.trim()
    if (!wanted) setError('A component needs a name.')
    else if (taken.includes(wanted)) setError(`The entity has “${wanted}” already.`)
    else put(wanted)
  }
  if (!open)
    return (
      <button class="add-component" data-testid="add-component" onClick={() => setOpen(true)}>
        <Icon name="add" /> Add component
      </button>
    )
  return (
    <form
      class="add-form"
      onSubmit={submit}
      onKeyDown={(event) => {
        if (event.key === 'Escape') {
          event.stopPropagation()
          setOpen(false)
        }
      }}
    >
      <div class="chips">
        {componentOrder
          .filter((each) => !taken.includes(each) && (each !== 'parent' || others.length > 0))
          .map((each) => (
            <button
              key={each}
              type="button"
              class="chip"
              data-testid={`add-${each}`}
              onClick={() => put(each)}
            >
              {each}
            </button>
          ))}
      </div>
      <div class="row">
        <label class="field grow">
          <span class="field-name">Another name</span>
          <input
            value={name}
            maxLength={64}
            spellcheck={false}
            autocomplete="off"
            data-testid="component-name"
            aria-invalid={error !== ''}
            aria-describedby="add-error"
            onInput={(event) => setName(event.currentTarget.value)}
          />
        </label>
        <button type="submit" class="primary">
          Add
        </button>
        <button type="button" onClick={() => setOpen(false)}>
          Cancel
        </button>
      </div>
      <p id="add-error" class="error" role="alert">
        {error}
      </p>
    </form>
  )
}
