import { connectNats } from "@sluice/broker-nats";
import { streamSubject } from "@sluice/protocol";
import { isAlive } from "@sluice/servers";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { overflowOf, violationsOf } from "./accessibility.ts";
import { findChromium, startBrowser, type RealBrowser } from "./browser.ts";
import { startCable } from "./cable.ts";
import { ChatTab } from "./chat-tab.ts";
import { servePages, type ServedPages } from "./served-pages.ts";

// An answer of some 600 chunks lasts long enough to be broken several times.
const TOKENS_PER_SECOND = 60;
const QUESTION = "How are chunks numbered?";
const TABS = 8;
const OFFLINE_MS = 5_000;
const COUNT_EVERY_MS = 250;

const REFUSED_STREAM = "refused-by-a-test";
/** The chunk from which an answer is replayed. */
const FROM = 30;
const PATIENCE = { timeout: 30_000 };
const LOOKS = [
  ["light", { width: 1280, height: 800 }],
  ["dark", { width: 390, height: 844 }],
] as const;

const chromium = await findChromium();

let pages: ServedPages;
let real: RealBrowser;

beforeAll(async () => {
  if (chromium === null) return;
  pages = await servePages(TOKENS_PER_SECOND);
  real = await startBrowser(chromium);
});
afterAll(async () => {
  if (chromium === null) return;
  await real[Symbol.asyncDispose]();
  await pages[Symbol.asyncDispose]();
});

describe.skipIf(chromium === null)("in a real browser", () => {
  test("an answer arrives whole while the edge that serves it is killed twice, with the page's own button", async () => {
    await using context = await real.browser.newContext();
    const tab = await ChatTab.open(context, pages.gatewayUrl);
    const streamId = await tab.ask(QUESTION);
    const killed: number[] = [];
    let sequence = 0;
    for (let round = 1; round <= 2; round++) {
      sequence = await tab.waitPast(sequence + 20);
      killed.push(await tab.killPod());
    }
    await tab.waitFor("completed");
    expect(await tab.text()).toBe(await pages.textOf(streamId));
    expect(new Set(killed).size).toBe(2);
    expect(killed.some((pid) => isAlive(pid))).toBe(false);
    expect(await tab.page.locator(".answer .facts").first().textContent()).toContain("2 reconnects");
    expect(tab.problems).toEqual([]);
  });

  test.concurrent("an answer goes on after a reload in its middle, and another tab at the same address shows the same", async ({
    expect,
  }) => {
    await using context = await real.browser.newContext();
    const tab = await ChatTab.open(context, pages.gatewayUrl);
    const streamId = await tab.ask(QUESTION);
    const before = await tab.waitPast(50);
    await tab.page.reload();
    // At once, from what this browser remembers.
    expect(await tab.waitPast(0)).toBeGreaterThan(before / 2);
    await tab.waitFor("live");
    const other = await ChatTab.open(context, tab.page.url());
    await Promise.all([tab.waitFor("completed"), other.waitFor("completed")]);
    const whole = await pages.textOf(streamId);
    expect(await tab.text()).toBe(whole);
    expect(await other.text()).toBe(whole);
    expect(await other.page.locator("h1").textContent()).toBe(QUESTION);

    await tab.page.reload();
    await tab.waitFor("completed");
    expect(await tab.text()).toBe(whole);
    expect([...tab.problems, ...other.problems]).toEqual([]);
  });

  test.concurrent("after 5 s without a network an answer goes on where it was", async ({ expect }) => {
    await using cable = await startCable();
    await using context = await real.browser.newContext({
      proxy: { server: cable.url, bypass: "<-loopback>" },
    });
    const tab = await ChatTab.open(context, pages.gatewayUrl);
    const streamId = await tab.ask(QUESTION);
    await tab.waitPast(50);
    cable.pull();
    await context.setOffline(true);
    const atCut = await tab.waitPast(0);
    // How long it is away is what is tested, so it is waited for and not for a condition.
    await delay(OFFLINE_MS);
    const afterCut = await tab.waitPast(0);
    cable.plugIn();
    await context.setOffline(false);
    await tab.waitFor("completed");
    // What was on its way when the cable was pulled may still have come.
    expect(afterCut - atCut).toBeLessThan(TOKENS_PER_SECOND);
    expect(await tab.text()).toBe(await pages.textOf(streamId));
    expect(tab.problems).toEqual([]);
  });

  // Alone: an answer lasts some ten seconds, and beside other browsers it would be over before it is stopped.
  test("a stopped answer stops for the worker and in all tabs, also one without SharedWorker", async () => {
    await using context = await real.browser.newContext();
    const tab = await ChatTab.open(context, pages.gatewayUrl);
    const streamId = await tab.ask(QUESTION);
    const other = await ChatTab.open(context, tab.page.url(), "delete globalThis.SharedWorker");
    await Promise.all([tab.waitPast(10), other.waitPast(10)]);
    await other.page.getByRole("button", { name: "Stop" }).click();
    await Promise.all([tab.waitFor("stopped"), other.waitFor("stopped")]);
    expect(await pages.statusOf(streamId)).toBe("cancelled");
    const text = await pages.textOf(streamId);
    expect(await tab.text()).toBe(text);
    expect(await other.text()).toBe(text);
  });

  // Alone: an answer lasts some ten seconds, and beside other browsers it would be over before it is stopped.
  test("Escape stops an answer, but not where it was meant for a field", async () => {
    await using context = await real.browser.newContext();
    const tab = await ChatTab.open(context, pages.gatewayUrl);
    const streamId = await tab.ask(QUESTION);
    const before = await tab.waitPast(10);
    await tab.page.locator("#prompt").press("Escape");
    await tab.waitPast(before + TOKENS_PER_SECOND);
    expect(await pages.statusOf(streamId)).toBe("open");
    await tab.page.getByRole("button", { name: "Plain" }).press("Escape");
    await tab.waitFor("stopped");
  });

  test.concurrent("a stream that nobody knows is said to be unknown", async ({ expect }) => {
    await using context = await real.browser.newContext();
    for (const id of ["nobody-knows", "no%20id%20at%20all"]) {
      const tab = await ChatTab.open(context, `${pages.gatewayUrl}/chat/?stream=${id}`);
      await tab.waitFor("missing");
      expect(await tab.page.locator(".answer .notice").textContent()).toContain("doesn't exist");
    }
  });

  test("eight tabs at once, with seven answers, all show them whole, and share one connection", async () => {
    await using context = await real.browser.newContext();
    const tabs = await Promise.all(
      Array.from({ length: TABS }, () => ChatTab.open(context, `${pages.gatewayUrl}/chat/`)),
    );
    const [last, ...asking] = tabs;
    const streamIds = await Promise.all(asking.map((tab) => tab.ask(QUESTION)));
    await last?.page.goto(asking[0]?.page.url() ?? "");
    const shown = [streamIds[0] ?? "", ...streamIds];
    let mostConnections = 0;
    const areOver = new AbortController();
    const counting = async (): Promise<void> => {
      while (!areOver.signal.aborted) {
        mostConnections = Math.max(mostConnections, await pages.connections());
        await delay(COUNT_EVERY_MS);
      }
    };
    const completed = Promise.all(tabs.map((tab) => tab.waitFor("completed")));
    const stopCounting = (): void => areOver.abort();
    void completed.then(stopCounting, stopCounting);
    await Promise.all([completed, counting()]);
    expect(mostConnections).toBe(1);
    for (const [index, tab] of tabs.entries()) {
      expect(await tab.text()).toBe(await pages.textOf(shown[index] ?? ""));
    }
    expect(tabs.flatMap((tab) => tab.problems)).toEqual([]);
  });

  test.concurrent("the console shows what flows: services, streams, chunks and their replay, connections, partitions, what was refused", async ({
    expect,
  }) => {
    await using context = await real.browser.newContext();
    const tab = await ChatTab.open(context, pages.gatewayUrl);
    const streamId = await tab.ask(QUESTION);
    await publishNonsense(REFUSED_STREAM);
    await tab.waitPast(FROM);
    const page = await context.newPage();
    await page.goto(`${pages.gatewayUrl}/console/`);
    const goTo = (name: string): Promise<void> => page.getByRole("link", { name, exact: true }).click();

    await expect.poll(() => page.locator("tbody tr").count(), PATIENCE).toBe(6);
    // Two samples make a line.
    await expect.poll(() => page.locator(".chart .line").count(), PATIENCE).toBeGreaterThanOrEqual(6);
    const tile = page.locator(".tiles div").filter({ hasText: "Connections" }).locator("dd");
    await expect.poll(() => tile.textContent(), PATIENCE).toMatch(/^[1-9]/);

    await goTo("Streams");
    const row = page.locator("tbody tr").filter({ hasText: streamId });
    await expect.poll(() => row.locator('[data-label="Readers"]').textContent(), PATIENCE).toBe("1");
    expect(await row.locator(".state").textContent()).toBe("open");
    await expect
      .poll(() => row.locator('[data-label="Rate"]').textContent(), PATIENCE)
      .toMatch(/^\d+(\.\d)?\/s$/);
    await page.keyboard.press("/");
    await page.keyboard.type(REFUSED_STREAM);
    await expect.poll(() => page.locator("tbody tr").count(), PATIENCE).toBe(1);
    await page.locator("#prefix").fill(streamId);
    await row.getByRole("link").click();

    await expect.poll(() => page.locator(".chunks tbody tr").count(), PATIENCE).toBeGreaterThan(FROM);
    await page.getByRole("spinbutton", { name: "From chunk" }).fill(String(FROM));
    await page.keyboard.press("Tab");
    await page.getByLabel("Speed").selectOption({ label: "Full speed" });
    await page.getByRole("button", { name: "Replay", exact: true }).click();
    await expect.poll(() => page.getByText("Finished at chunk").count(), PATIENCE).toBe(1);
    const replayed = await page.getByLabel("Replayed text").textContent();
    expect(replayed).toBe(await pages.textOf(streamId, FROM));

    const reader = await pages.ask(QUESTION);
    await tab.page.goto(`${pages.gatewayUrl}/chat/?stream=${reader}`);
    await goTo("Connections");
    await expect.poll(() => page.locator("tbody tr").filter({ hasText: reader }).count(), PATIENCE).toBe(1);
    expect(await page.locator(".bars li").count()).toBe(2);

    await goTo("Partitions");
    await expect.poll(() => page.locator('.partitions [data-tone="good"]').count(), PATIENCE).toBe(32);
    expect(await page.locator(".replica").count()).toBe(2);

    await goTo("Rejected");
    const refused = page.locator(".rejected li").filter({ hasText: REFUSED_STREAM }).first();
    await refused.click();
    expect(await refused.locator("pre").textContent()).toContain("nonsense");
  });

  test.concurrent("axe finds nothing wrong with any view, light on a desk and dark on a phone, and none is too wide", async ({
    expect,
  }) => {
    await using context = await real.browser.newContext();
    const streamId = await pages.ask(QUESTION);
    await publishNonsense(REFUSED_STREAM);
    const tab = await ChatTab.open(context, `${pages.gatewayUrl}/chat/?stream=${streamId}`);
    await tab.waitPast(50);
    const views: readonly (readonly [path: string, ready: string])[] = [
      [`/chat/?stream=${streamId}`, ".answer-body p"],
      ["/chat/", ".welcome"],
      ["/console/#/overview", ".chart .line"],
      ["/console/#/streams", "tbody tr"],
      [`/console/#/streams/${streamId}`, ".chunks tbody tr"],
      ["/console/#/connections", ".bars li"],
      ["/console/#/partitions", ".partitions li"],
      ["/console/#/rejected", ".rejected li"],
    ];
    const found: string[] = [];
    for (const [colorScheme, viewport] of LOOKS) {
      await tab.page.setViewportSize(viewport);
      await tab.page.emulateMedia({ colorScheme });
      for (const [path, ready] of views) {
        await tab.page.goto(pages.gatewayUrl + path);
        await tab.page.locator(ready).first().waitFor({ state: "attached" });
        const problems = await violationsOf(tab.page);
        const overflow = await overflowOf(tab.page);
        if (overflow > 0) problems.push(`${overflow} px too wide`);
        found.push(...problems.map((problem) => `${path} ${colorScheme} ${viewport.width}: ${problem}`));
      }
    }
    expect([...found, ...tab.problems]).toEqual([]);
  });
});

/** An element that is no chunk. */
async function publishNonsense(streamId: string): Promise<void> {
  await using link = new AsyncDisposableStack();
  const nats = link.adopt(await connectNats({ servers: pages.natsUrl, name: "nonsense" }), (each) =>
    each.close(),
  );
  await nats.jetStream.publish(streamSubject(streamId), '{"nonsense":true}');
}
