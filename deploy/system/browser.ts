import { findServerBinary, ServerUnavailableError } from "@sluice/servers";
import { CHROMIUM } from "@sluice/testing";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium, type Browser } from "playwright-core";

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
];

/** @returns null where there is none and none can be had: tests are then skipped, but not in CI */
export async function findChromium(): Promise<string | null> {
  try {
    return (await findServerBinary(CHROMIUM)).path;
  } catch (error) {
    if (!(error instanceof ServerUnavailableError) || process.env["CI"] !== undefined) throw error;
    process.stderr.write(`${error.message}\n`);
    return null;
  }
}

/** A real Chromium with a profile of its own. */
export interface RealBrowser extends AsyncDisposable {
  readonly browser: Browser;
}

export async function startBrowser(path: string): Promise<RealBrowser> {
  const profile = await mkdtemp(join(tmpdir(), "sluice-chromium-"));
  const browser = await chromium.launch({
    executablePath: path,
    ignoreDefaultArgs: true,
    args: [...FLAGS, "--remote-debugging-pipe", `--user-data-dir=${profile}`],
  });
  return {
    browser,
    [Symbol.asyncDispose]: async () => {
      await browser.close();
      // Its last helpers may still write.
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
