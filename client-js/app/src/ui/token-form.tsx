// Asks for an access token where the server refuses without one.
import { useState } from 'preact/hooks'
import { writeToken } from '../token.js'

export function TokenForm({ done }: { done: () => void }) {
  const [token, setToken] = useState('')
  return (
    <form
      class="token"
      onSubmit={(event) => {
        event.preventDefault()
        writeToken(token.trim())
        done()
      }}
    >
      <label class="field">
        <span class="field-name">Access token</span>
        <input
          type="password"
          autocomplete="off"
          value={token}
          onInput={(event) => setToken(event.currentTarget.value)}
          data-testid="token"
        />
      </label>
      <button class="primary" type="submit" disabled={!token.trim()}>
        Use token
      </button>
    </form>
  )
}
