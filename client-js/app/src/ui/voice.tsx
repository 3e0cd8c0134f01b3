// What is said to screen readers: politely, and joined when several things happen at once.
import { createStore } from './store.js'

const spoken = createStore('')
let waiting: string[] = []
let timer: ReturnType<typeof setTimeout> | undefined

export function say(text: string): void {
  waiting = [...waiting.filter((each) => each !== text), text]
  timer ??= setTimeout(() => {
    spoken.set(waiting.join(' '))
    waiting = []
    timer = undefined
  }, 700)
}

export function Voice() {
  return (
    <div class="sr" role="status" aria-live="polite" data-testid="voice">
      {spoken.use()}
    </div>
  )
}
