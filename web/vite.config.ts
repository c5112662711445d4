import { defineConfig } from "vitest/config";

export default defineConfig({
  // Relative addresses, so that the page also works behind a path prefix.
  base: "./",
  build: {
    outDir: "dist",
    // The content security policy allows files of our own origin only: nothing may become a data: address.
    // The licences of what is bundled ask to be shipped with it; the foot of the page links here.
    license: { fileName: "licences.txt" },
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 500,
    rolldownOptions: { input: { demo: "index.html", console: "console.html" } },
  },
  // `npm run dev` serves the sources and hands the doors to a server started by hand.
  server: {
    proxy: {
      "/yjs": { target: process.env.GREENROOM_URL ?? "http://127.0.0.1:8080", ws: true },
      "/api": { target: process.env.GREENROOM_URL ?? "http://127.0.0.1:8080" },
    },
  },
  test: { include: ["tests/unit/**/*.test.ts"] },
});
