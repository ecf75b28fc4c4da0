import { gzipSync } from "node:zlib";
import { rolldown } from "rolldown";
import { expect, test } from "vitest";

const MAX_BYTES = 8 * 1024;

/** As an application's bundler would: all that is exported, and all that it needs. */
async function bundle(): Promise<string> {
  const build = await rolldown({
    input: new URL("index.ts", import.meta.url).pathname,
    platform: "browser",
  });
  // Annotations are for bundlers, which take them out in the end.
  const { output } = await build.generate({ format: "esm", minify: true, comments: { annotation: false } });
  await build.close();
  return output.map((file) => ("code" in file ? file.code : "")).join("");
}

test("the client is under 8 KB with all that it needs, minified and compressed", async () => {
  const code = await bundle();
  expect(code).not.toMatch(/\bfrom\s*"|\bimport\s*"/);
  expect(gzipSync(code, { level: 9 }).byteLength).toBeLessThan(MAX_BYTES);
});
