import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { createParser, type EventSourceMessage } from "eventsource-parser";

/** One request, and what came of it, as raw as a test may want it. */
export class TestReader {
  readonly events: EventSourceMessage[] = [];
  readonly comments: string[] = [];
  readonly retries: number[] = [];
  readonly status: number;
  readonly response: IncomingMessage;
  hasEnded = false;
  #wake: () => void = () => {};

  private constructor(response: IncomingMessage) {
    this.response = response;
    this.status = response.statusCode ?? 0;
    const parser = createParser({
      onEvent: (event) => {
        this.events.push(event);
        if (event.event !== "gap") this.sequences.push(Number(event.id));
      },
      onComment: (comment) => void this.comments.push(comment.trim()),
      onRetry: (retry) => void this.retries.push(retry),
    });
    response.setEncoding("utf8");
    response.on("data", (text: string) => {
      parser.feed(text);
      const id = /^id: (\S+)$/m.exec(text.slice(text.lastIndexOf("id: ")))?.[1];
      if (id !== undefined) this.lastEventId = id;
      this.#wake();
    });
    response.on("error", () => {});
    response.on("close", () => {
      this.hasEnded = true;
      this.#wake();
    });
  }

  static async open(url: string, headers: Record<string, string> = {}): Promise<TestReader> {
    const request = get(url, { headers, agent: false });
    const [response] = (await once(request, "response")) as [IncomingMessage];
    request.on("error", () => {});
    return new TestReader(response);
  }

  /** The connection's position: ids alone move it, too. */
  lastEventId = "";

  /** Sequences of the chunks, in the order of arrival. */
  readonly sequences: number[] = [];

  ofEvent(name: string): EventSourceMessage[] {
    return this.events.filter((event) => event.event === name);
  }

  /** Waits for a condition that data or the end can bring about. */
  async until(what: string, isTrue: () => boolean, timeoutMs = 5_000): Promise<this> {
    const deadlineMs = performance.now() + timeoutMs;
    while (!isTrue()) {
      const leftMs = deadlineMs - performance.now();
      if (leftMs <= 0) throw new Error(`not in time: ${what}; last is ${this.sequences.at(-1)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return this;
  }

  async untilSequence(sequence: number): Promise<this> {
    return this.until(`sequence ${sequence}`, () => (this.sequences.at(-1) ?? 0) >= sequence);
  }

  async untilEnd(timeoutMs?: number): Promise<this> {
    return this.until("the end", () => this.hasEnded, timeoutMs);
  }

  close(): void {
    this.response.destroy();
  }
}
