import { resolve } from "node:path";
import { defineConfig } from "vite";

const here = import.meta.dirname;

export default defineConfig({
  root: here,
  // The gateway serves from its root; assets are named by their content, so they may be kept for ever.
  base: "/",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    target: "es2023",
    // Inlined ones would need `data:` in the pages' content security policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: { chat: resolve(here, "chat/index.html"), console: resolve(here, "console/index.html") },
    },
  },
  worker: { format: "es" },
});
