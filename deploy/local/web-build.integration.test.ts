import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { buildWeb, WEB_ROOT } from "./web-build.ts";

test("the pages are built by whoever comes first, and by nobody again while their sources stay what they are", async () => {
  const reports: string[] = [];
  const build = (): Promise<void> => buildWeb((line) => reports.push(line));
  await Promise.all([build(), build()]);
  for (const page of ["chat", "console"]) {
    expect(existsSync(join(WEB_ROOT, page, "index.html"))).toBe(true);
  }
  reports.length = 0;
  await build();
  expect(reports).toEqual([]);
}, 120_000);
