import type { StoredMsg } from "@nats-io/jetstream";
import { askLog } from "./log-errors.ts";
import type { NatsLink } from "./nats-connection.ts";

const PAGE_TIMEOUT_MS = 5_000;
const NOTHING_FOUND = 404;
// Without this bound a page of the largest messages is a gigabyte in the heap. One message comes in any case.
const MAX_PAGE_BYTES = 8 * 1024 * 1024;

/**
 * Up to `maxMessages` of a JetStream stream whose subject matches, after a sequence, in order, without a hole between
 * them; fewer where the server had no more, they are large, or the page got lost on its way. Any replica answers, and it may lag: what
 * is there is true, and what isn't proves nothing.
 * @throws StreamError LOG_UNAVAILABLE
 */
export async function readDirectPage(
  link: NatsLink,
  from: { jetStream: string; subject: string; after: number; maxMessages: number },
): Promise<StoredMsg[]> {
  return askLog("read a page", async () => {
    const page: StoredMsg[] = [];
    const answers = await link.jetStreamManager.direct.getBatch(from.jetStream, {
      seq: from.after + 1,
      next_by_subj: from.subject,
      batch: from.maxMessages,
      max_bytes: MAX_PAGE_BYTES,
    });
    // The client waits for the end of a page for ever, also when the connection broke in the middle of it.
    const timer = setTimeout(() => answers.stop(new Error("the page did not end in time")), PAGE_TIMEOUT_MS);
    try {
      for await (const message of answers) {
        // Each message names the one before it; the first of a page names none.
        if (message.lastSequence !== (page.at(-1)?.seq ?? 0)) break;
        page.push(message);
      }
    } catch (error) {
      if (!isNothingFound(error)) throw error;
    } finally {
      clearTimeout(timer);
      answers.stop();
    }
    return page;
  });
}

function isNothingFound(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === NOTHING_FOUND;
}
