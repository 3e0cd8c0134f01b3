// A clock that moves the playhead.
export const speeds: readonly number[] = [0.25, 0.5, 1, 2, 4, 8, 16, 32, 64]

export interface Player {
  play(from: number, speed: number): void
  pause(): void
  setSpeed(speed: number): void
  destroy(): void
}

export function createPlayer({ tick }: { tick: (at: number) => void }): Player {
  let frame = 0
  let at = 0
  let speed = 1
  let before = 0
  const step = (now: number) => {
    frame = requestAnimationFrame(step)
    at += (now - before) * speed
    before = now
    tick(at)
  }
  const pause = () => {
    cancelAnimationFrame(frame)
    frame = 0
  }
  return {
    play(from, pace) {
      pause()
      ;[at, speed, before] = [from, pace, performance.now()]
      frame = requestAnimationFrame(step)
    },
    pause,
    setSpeed: (next) => {
      speed = next
    },
    destroy: pause,
  }
}
