import { gzipSync } from "node:zlib";
import { rolldown } from "rolldown";
import { expect, test } from "vitest";

const MAX_BYTES = 6 * 1024;

/** As an application's bundler would: all that is exported, without the parser. */
async function bundle(): Promise<string> {
  const build = await rolldown({
    input: new URL("index.ts", import.meta.url).pathname,
    external: ["eventsource-parser"],
    platform: "browser",
  });
  // Annotations are for bundlers, which take them out in the end.
  const { output } = await build.generate({ format: "esm", minify: true, comments: { annotation: false } });
  await build.close();
  return output.map((file) => ("code" in file ? file.code : "")).join("");
}

test("the client is under 6 KB, minified and compressed, and brings nothing but its parser", async () => {
  const code = await bundle();
  expect(code.match(/from\s*"[^"]+"/g)).toEqual(['from"eventsource-parser"']);
  expect(gzipSync(code, { level: 9 }).byteLength).toBeLessThan(MAX_BYTES);
});
