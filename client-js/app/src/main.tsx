// The page: one route at a time, under one toast tray and one voice for screen readers.
import { render } from 'preact'
import { Home } from './home/home.js'
import { useRoute } from './route.js'
import { SpacePage } from './space/page.js'
import { Shortcuts } from './ui/shortcuts.js'
import { Toasts } from './ui/toast.js'
import { Voice } from './ui/voice.js'

function App() {
  const route = useRoute()
  return (
    <>
      {route.page === 'home' ? <Home /> : <SpacePage key={route.id} id={route.id} />}
      <Toasts />
      <Shortcuts inSpace={route.page === 'space'} />
      <Voice />
    </>
  )
}

const root = document.getElementById('app')
if (root) render(<App />, root)
