// Waiting for what a story is about, and reading a board as every copy can show it.
import { WebSocket } from 'ws'

export { WebSocket }
export { startThexr } from '../browser/support/thexr.mjs'

export const waitMsMax = 60_000

/** Resolves when `holds` does. `hear` calls back whenever that may have changed, and returns its undo. */
export function when(what, hear, holds) {
  return new Promise((resolve, reject) => {
    let off = () => {}
    const late = setTimeout(
      () => finish(() => reject(new Error(`not within ${waitMsMax} ms: ${what}`))),
      waitMsMax,
    )
    const finish = (end) => {
      clearTimeout(late)
      off()
      end()
    }
    const look = () => {
      if (holds()) finish(resolve)
    }
    off = hear(look)
    look()
  })
}

/** Calls back on every update of a document. */
export const updatesOf = (doc) => (look) => {
  doc.on('update', look)
  return () => doc.off('update', look)
}

/** A stroke as one line of text: the same line from a Y.Doc (bytes) and from the API (base64). */
const line = ({ id, by, color, size, tool, points }) =>
  [
    id,
    by,
    color,
    size,
    tool,
    typeof points === 'string' ? points : Buffer.from(points).toString('base64'),
  ].join(' ')

/** The board of a Yjs document, in the order of the document. */
export const boardOf = (doc, board) => doc.getArray(`strokes:${board}`).toArray().map(line)

/** The board as the document of the API has it. */
export async function boardOfDocument(server, space, board) {
  const { strokes } = await server.api('GET', `/spaces/${space}/document`)
  return (strokes[board] ?? []).map(line)
}

/** The board as the entity's strokes, page by page. */
export async function boardOfPages(server, space, board) {
  const lines = []
  let after = null
  do {
    const query = after === null ? '' : `&after=${after}`
    const page = await server.api('GET', `/spaces/${space}/entities/${board}/strokes?limit=250${query}`)
    lines.push(...page.items.map(line))
    after = page.next
  } while (after !== null)
  return lines
}
