import axe from "axe-core";
import type { Page } from "playwright-core";

interface Violation {
  readonly id: string;
  readonly help: string;
  readonly nodes: readonly { readonly target: readonly string[]; readonly failureSummary?: string }[];
}

/** Findings of axe on the page as it is now, a line each. */
export async function violationsOf(page: Page): Promise<string[]> {
  // Not as a script of the page, which its policy would forbid.
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate<{ violations: Violation[] }>(
    'axe.run(document, { resultTypes: ["violations"] })',
  );
  return violations.flatMap(({ id, help, nodes }) =>
    nodes.map(({ target, failureSummary = "" }) => `${id} (${help}): ${target.join(" ")} ${failureSummary}`),
  );
}

/** How much wider than the window the page is, in CSS pixels: what a phone would have to be scrolled sideways. */
export async function overflowOf(page: Page): Promise<number> {
  return page.evaluate<number>("document.documentElement.scrollWidth - document.documentElement.clientWidth");
}
