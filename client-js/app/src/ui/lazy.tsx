// A part of the page that is loaded when it is first wanted, or when the browser has nothing better to do.
import type { ComponentType } from 'preact'
import { useEffect, useState } from 'preact/hooks'

export interface Lazy<P> {
  Part: ComponentType<P & { class?: string }>
  /** Starts loading. Harmless to repeat. */
  fetch: () => void
}

export function lazy<P extends object>(load: () => Promise<ComponentType<P>>): Lazy<P> {
  let found: ComponentType<P> | null = null
  let running: Promise<ComponentType<P>> | null = null
  const start = () => (running ??= load().then((part) => (found = part)))
  return {
    fetch: () =>
      void start().catch(() => {
        running = null
      }),
    Part: (props) => {
      const [part, setPart] = useState<{ Found: ComponentType<P> | null; failed: boolean }>({
        Found: found,
        failed: false,
      })
      useEffect(() => {
        if (part.Found) return
        let here = true
        start().then(
          (Found) => {
            if (here) setPart({ Found, failed: false })
          },
          () => {
            running = null
            if (here) setPart({ Found: null, failed: true })
          },
        )
        return () => {
          here = false
        }
      }, [])
      if (part.Found) return <part.Found {...props} />
      if (!part.failed) return <div class={`waiting ${props.class ?? ''}`} />
      return (
        <div class={`panel ${props.class ?? ''}`} role="alert" data-testid="part-failed">
          <p>A part of this page did not load. The server may be away, or have a newer page.</p>
          <button class="primary" onClick={() => location.reload()}>
            Reload
          </button>
        </div>
      )
    },
  }
}
