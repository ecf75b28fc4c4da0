import { waitUntil } from "@sluice/servers";
import type { BrowserContext, Page } from "playwright-core";

const TIMEOUT_MS = 60_000;

/** A tab with the chat page, as its user sees it. */
export class ChatTab {
  readonly page: Page;
  /** Faults that must never occur: a script that fails, a request that the page's own policy forbids. */
  readonly problems: string[] = [];

  private constructor(page: Page) {
    this.page = page;
    page.setDefaultTimeout(TIMEOUT_MS);
    page.on("pageerror", (error) => this.problems.push(error.message));
    page.on("console", (message) => {
      if (/content security policy/i.test(message.text())) this.problems.push(message.text());
    });
  }

  /** @param before a script that runs in the tab before its page's own */
  static async open(context: BrowserContext, url: string, before = ""): Promise<ChatTab> {
    const tab = new ChatTab(await context.newPage());
    await tab.page.addInitScript(before);
    await tab.page.goto(url);
    return tab;
  }

  /** Asks with the keyboard alone. @returns the stream's id */
  async ask(prompt: string): Promise<string> {
    await this.page.locator("#prompt").fill(prompt);
    await this.page.keyboard.press("Enter");
    await this.page.waitForURL(/stream=/);
    return new URL(this.page.url()).searchParams.get("stream") ?? "";
  }

  async waitFor(state: string): Promise<void> {
    await this.page.locator(`.answer .state[data-state="${state}"]`).waitFor();
  }

  /** Resolves with how many chunks were read, once that is more than `sequence`. */
  async waitPast(sequence: number): Promise<number> {
    let read = 0;
    const isPast = async (): Promise<boolean> => {
      const facts = await this.page.locator(".answer .facts").first().textContent();
      read = Number(/^[\d,]+/.exec(facts ?? "")?.[0].replaceAll(",", "") ?? 0);
      return read > sequence;
    };
    await waitUntil(`chunk ${sequence + 1}`, isPast, { timeoutMs: TIMEOUT_MS });
    return read;
  }

  /** Presses the button, once it can be pressed. @returns the pid of what was killed */
  async killPod(): Promise<number> {
    const answered = this.page.waitForResponse(
      (response) => response.url().endsWith("/kill-edge") && response.request().method() === "POST",
    );
    await this.page.getByRole("button", { name: "Kill my pod" }).click();
    const answer = (await (await answered).json()) as { pid?: number };
    if (answer.pid === undefined) throw new Error(`nothing was killed: ${JSON.stringify(answer)}`);
    await this.page.getByText(`(pid ${answer.pid})`).waitFor();
    return answer.pid;
  }

  /** The answer, character for character, as the page shows it. */
  async text(): Promise<string> {
    const plain = this.page.getByRole("button", { name: "Plain" });
    if ((await plain.getAttribute("aria-pressed")) === "false") await plain.click();
    return (await this.page.locator("pre.plain").textContent()) ?? "";
  }
}
