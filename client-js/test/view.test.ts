// What a member sees of the others' poses, through the real server.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freshName, open, until } from './support/client.js'
import { startServer } from './support/server.js'
import type { Server } from './support/server.js'

const standAt = (x: number) => ({ head: { pos: [x, 1.6, 0], rot: [0, 0, 0, 1] } }) as const

describe.skipIf(!process.env['THEXR_BIN'])('a view', () => {
  let server: Server
  beforeAll(async () => {
    server = await startServer()
  })
  afterAll(() => server?.close())

  test('of a zone shows who is in it, and a focus shows a place far from us', async () => {
    const name = freshName()
    const people = ['ann', 'bob'].map((user) => open(server.url, name, { presence: {}, user }))
    const [ann, bob] = people as [(typeof people)[0], (typeof people)[0]]
    await until(() => people.every((space) => space.presence.members.size === 2), 'both are here')
    const annAtBobs = [...bob.presence.members.values()].find((member) => !member.me)!.id
    let full = 0
    bob.presence.on('pose', () => full++)

    ann.presence.setPose(standAt(500))
    bob.presence.setPose(standAt(0))
    await until(() => bob.presence.pose(annAtBobs) !== null, 'a dot of somebody far away')
    expect(full).toBe(0)
    bob.presence.view({ focus: [500, 0] })
    await until(() => full > 0, 'the whole pose of somebody in focus')

    ann.presence.view({ zone: 'cellar' })
    bob.presence.view({ zone: 'cellar', focus: [500, 0] })
    full = 0
    ann.presence.setPose(standAt(501))
    await until(() => full > 0, 'a pose within the zone')
  })

  test('that is none is refused', async () => {
    const space = open(server.url, freshName(), { presence: {} })
    const bad = [{ zone: 'x'.repeat(65) }, { focus: [0, NaN] as const }, { budget: NaN }]
    for (const view of bad) expect(() => space.presence.view(view)).toThrow('not a view')
  })
})
