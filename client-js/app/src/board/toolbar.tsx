// The tools of the board, as two toolbars over the canvas.
import { Icon, type IconName } from '../ui/icon.js'
import { useMedia } from '../ui/hooks.js'
import { palette, shown, sizes } from './colors.js'
import type { Surface } from './surface.js'
import { pick, tools, type ToolName } from './tools.js'

const names: readonly [tool: ToolName, icon: IconName, label: string, key: string][] = [
  ['pen', 'pen', 'Pen', 'P'],
  ['eraser', 'eraser', 'Eraser', 'E'],
  ['hand', 'hand', 'Move the paper', 'H'],
]

export function Toolbar({ readOnly }: { readOnly: boolean }) {
  const { tool, color, size } = tools.use()
  const dark = useMedia('(prefers-color-scheme: dark)')
  if (readOnly) return null
  return (
    <div class="toolbar" role="toolbar" aria-label="Drawing tools" data-testid="board-tools">
      <div class="group" role="group" aria-label="Tool">
        {names.map(([name, icon, label, key]) => (
          <button
            key={name}
            class="icon-button"
            data-testid={`tool-${name}`}
            aria-label={label}
            title={`${label} (${key})`}
            aria-pressed={tool === name}
            onClick={() => pick({ tool: name })}
          >
            <Icon name={icon} />
          </button>
        ))}
      </div>
      <div class="group" role="group" aria-label="Colour">
        {palette.map((each, index) => (
          <button
            key={each.color}
            class="swatch"
            data-testid={`color-${index + 1}`}
            aria-label={each.name}
            title={`${each.name} (${index + 1})`}
            aria-pressed={color === each.color && tool === 'pen'}
            style={{ '--swatch': shown(each.color, dark) }}
            onClick={() => pick({ color: each.color, tool: 'pen' })}
          />
        ))}
      </div>
      <div class="group" role="group" aria-label="Size">
        {sizes.map((each) => (
          <button
            key={each}
            class="nib"
            data-testid={`size-${each}`}
            aria-label={`Size ${each}`}
            title={`Size ${each} ([ and ])`}
            aria-pressed={size === each}
            style={{ '--nib': `${3 + Math.sqrt(each) * 2.6}px` }}
            onClick={() => pick({ size: each })}
          />
        ))}
      </div>
    </div>
  )
}

interface ViewProps {
  zoom: number
  surface: Surface
  readOnly: boolean
  empty: boolean
  clear: () => void
  save: () => void
}

export function ViewBar({ zoom, surface, readOnly, empty, clear, save }: ViewProps) {
  return (
    <div class="view-bar" role="toolbar" aria-label="View">
      <button
        class="icon-button"
        data-testid="export"
        aria-label="Save as PNG"
        title="Save as PNG"
        disabled={empty}
        onClick={save}
      >
        <Icon name="download" />
      </button>
      {!readOnly && (
        <button
          class="icon-button"
          data-testid="clear"
          aria-label="Clear the board"
          title="Clear the board"
          disabled={empty}
          onClick={clear}
        >
          <Icon name="trash" />
        </button>
      )}
      <span class="bar-line" />
      <button
        class="icon-button"
        data-testid="zoom-out"
        aria-label="Zoom out"
        title="Zoom out (−)"
        onClick={() => surface.zoom(0.8)}
      >
        <Icon name="minus" />
      </button>
      <button
        class="zoom-text"
        data-testid="zoom-fit"
        aria-label={`Zoom ${Math.round(zoom * 100)} %, fit`}
        title="Show everything (0)"
        onClick={() => surface.fit()}
      >
        {Math.round(zoom * 100)}%
      </button>
      <button
        class="icon-button"
        data-testid="zoom-in"
        aria-label="Zoom in"
        title="Zoom in (+)"
        onClick={() => surface.zoom(1.25)}
      >
        <Icon name="add" />
      </button>
    </div>
  )
}
