import { gzipSync } from "node:zlib";
import { rolldown } from "rolldown";
import { expect, test } from "vitest";

const MAX_BYTES = 8 * 1024;
const MAX_TABS_BYTES = 2 * 1024;

/** Bundles an entry point as an application's bundler would: all that it exports, and all that it needs. */
async function bundle(entry: string): Promise<string> {
  const build = await rolldown({
    input: new URL(entry, import.meta.url).pathname,
    platform: "browser",
  });
  // Annotations are for bundlers, which take them out in the end.
  const { output } = await build.generate({ format: "esm", minify: true, comments: { annotation: false } });
  await build.close();
  return output.map((file) => ("code" in file ? file.code : "")).join("");
}

const sizeOf = (code: string): number => gzipSync(code, { level: 9 }).byteLength;

test("the client is under 8 KB with all that it needs, minified and compressed", async () => {
  const code = await bundle("index.ts");
  expect(code).not.toMatch(/\bfrom\s*"|\bimport\s*"/);
  expect(sizeOf(code)).toBeLessThan(MAX_BYTES);
});

test("sharing among tabs costs nothing where it isn't used, and a page that uses it 2 KB more", async () => {
  const [client, tabs] = await Promise.all([bundle("index.ts"), bundle("tabs.ts")]);
  expect(client).not.toContain("SharedWorker");
  expect(tabs).toContain("SharedWorker");
  expect(sizeOf(tabs)).toBeLessThan(MAX_TABS_BYTES);
});
