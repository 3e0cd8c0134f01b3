// The page: one route at a time, under one toast tray and one voice for screen readers.
import { render } from 'preact'
import { useEffect } from 'preact/hooks'
import { Home } from './home/home.js'
import { useRoute } from './route.js'
import { lazy } from './ui/lazy.js'
import { Shortcuts } from './ui/shortcuts.js'
import { Toasts } from './ui/toast.js'
import { Voice } from './ui/voice.js'

const space = lazy(() => import('./space/page.js').then((file) => file.SpacePage))

function App() {
  const route = useRoute()
  // So that opening a space works at once, even when the network has gone away since.
  useEffect(() => {
    setTimeout(space.fetch, 500)
  }, [])
  return (
    <>
      {route.page === 'home' ? <Home /> : <space.Part key={route.id} route={route} />}
      <Toasts />
      <Shortcuts inSpace={route.page === 'space'} />
      <Voice />
    </>
  )
}

const root = document.getElementById('app')
if (root) render(<App />, root)
