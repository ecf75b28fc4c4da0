/**
 * Takes the screenshots that stand in the documents, from a Sluice of its own that is kept busy:
 *
 *   node scripts/run.mjs deploy/screenshots/take.ts
 */
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { findChromium, startBrowser } from "../system/browser.ts";
import { ChatTab } from "../system/chat-tab.ts";
import { servePages } from "../system/served-pages.ts";
import { keepBusy } from "./busy-system.ts";

const QUESTION = "How are chunks numbered?";
const EARLIER = ["What happens to a reader when its edge dies?", "How does a producer get order?"];
const STREAM = "agent-run-19";
/** Gives the charts something to show. */
const WARM_UP_MS = 50_000;
/** Two looks at a list, for the rates. */
const SETTLE_MS = 4_000;

const DESK = { viewport: { width: 1280, height: 800 } };
const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };

const path = await findChromium();
if (path === null) throw new Error("there is no Chromium");
await using pages = await servePages(40);
await using _busy = await keepBusy(pages);
await using real = await startBrowser(path);
await takeChat(real.browser);
await takeConsole(real.browser);

async function takeChat(browser: Browser): Promise<void> {
  await using context = await browser.newContext(DESK);
  const tab = await ChatTab.open(context, pages.gatewayUrl);
  await shoot(tab.page, "chat-start", "desk");
  for (const earlier of EARLIER) {
    await tab.page.goto(`${pages.gatewayUrl}/chat/`);
    await tab.ask(earlier);
    await tab.waitFor("completed");
  }
  await tab.page.goto(`${pages.gatewayUrl}/chat/`);
  await tab.ask(QUESTION);
  await tab.waitPast(120);
  // The same browser, as a phone.
  const options: BrowserContextOptions = { ...PHONE, storageState: await context.storageState() };
  await using onPhone = await browser.newContext(options);
  const phone = await ChatTab.open(onPhone, tab.page.url());
  await shoot(tab.page, "chat", "desk");
  await phone.waitPast(20);
  await shoot(phone.page, "chat", "phone");
  await phone.page.goto(`${pages.gatewayUrl}/chat/`);
  await shoot(phone.page, "chat-start", "phone");
}

async function takeConsole(browser: Browser): Promise<void> {
  await using desk = await browser.newContext(DESK);
  await using onPhone = await browser.newContext(PHONE);
  const both = [
    { page: await desk.newPage(), kind: "desk" },
    { page: await onPhone.newPage(), kind: "phone" },
  ] as const;
  for (const { page } of both) await page.goto(`${pages.gatewayUrl}/console/`);
  await delay(WARM_UP_MS);
  for (const { page, kind } of both) {
    await shoot(page, "console", kind);
    for (const view of ["streams", "connections", "partitions", "rejected"]) {
      await show(page, `#/${view}`);
      if (view === "rejected") await page.locator("summary").first().click();
      await shoot(page, `console-${view}`, kind);
    }
    await show(page, `#/streams/${STREAM}?from=20`);
    await page.getByRole("button", { name: "Replay", exact: true }).click();
    await delay(SETTLE_MS);
    await shoot(page, "console-stream", kind);
  }
}

async function show(page: Page, hash: string): Promise<void> {
  await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
  await delay(SETTLE_MS);
}

async function shoot(page: Page, name: string, kind: "desk" | "phone"): Promise<void> {
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    // A scroll may be on its way.
    await delay(500);
    await page.screenshot({ path: join(import.meta.dirname, `${name}-${kind}-${colorScheme}.png`) });
  }
}
