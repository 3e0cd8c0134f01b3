import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 20_000,
    // Two workers at most: the machines that run this have two cores and a server to feed.
    maxWorkers: 2,
    dangerouslyIgnoreUnhandledErrors: false,
  },
})
