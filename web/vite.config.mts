import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// The built page is checked in beside the Go package that embeds it, so the
// build has to give the same bytes on every machine: no source maps, no dates,
// no environment.
export default defineConfig({
  base: "/chat/",
  plugins: [react()],
  // amazon-chime-sdk-js expects a bundler to provide Node's name for the global object.
  define: { global: "globalThis" },
  build: {
    outDir: "../internal/console/dist",
    emptyOutDir: true,
    target: "es2022",
    sourcemap: false,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1024,
    license: { fileName: "licenses.md" },
  },
});
