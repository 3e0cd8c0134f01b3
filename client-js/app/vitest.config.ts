// Run with `npx vitest run --root app` from client-js.
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  resolve: { alias: { '@thexr/client': fileURLToPath(new URL('../src/index.ts', import.meta.url)) } },
  test: { include: ['test/**/*.test.ts'] },
})
