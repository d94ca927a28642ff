import { defineConfig } from "vitest/config";

// unit: pure code, in Node. ui: the built page in a real browser against the stub server.
export default defineConfig({
  test: {
    projects: [
      { test: { name: "unit", include: ["test/unit/**/*.test.ts"] } },
      {
        test: {
          name: "ui",
          include: ["test/ui/**/*.test.ts"],
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
