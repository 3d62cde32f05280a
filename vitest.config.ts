import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 30_000 } }, // a busy machine takes longer, and answers the same
    allowOnly: false,
    coverage: {
      provider: "v8",
      include: ["src/**"],
      reporter: ["text-summary"],
      thresholds: {
        "src/graph/**": { lines: 90 },
        "src/weights/**": { lines: 90 },
        "src/train/**": { lines: 90 },
      },
    },
  },
});
