import { createParser } from "eventsource-parser";
import { parseJson } from "./json-value.ts";
import { reportIn } from "./server-report.ts";
import type { SilenceTimer } from "./silence-timer.ts";
import { serverFailure, SourceFailure } from "./source-failure.ts";

// Without this bound a server that never ends a line fills the heap. Pictures come in one event.
const MAX_EVENT_CHARACTERS = 16 * 1024 * 1024;

/** A server-sent event. */
export interface ServerEvent {
  name: string;
  data: string;
  /** The body ended in the middle of it: it may be less than was meant. */
  isCut: boolean;
}

/**
 * The server-sent events of a body, as the bytes come in. The last one is told without the blank line that ends it, too.
 * Breaking off cancels the request.
 * @throws SourceFailure where an event is too large, or the body has an error that is no event
 */
export async function* readEvents(
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  silence: SilenceTimer,
): AsyncGenerator<ServerEvent, void, undefined> {
  const ready: ServerEvent[] = [];
  let failure: SourceFailure | null = null;
  let isCut = false;
  const parser = createParser({
    onEvent: ({ event = "", data }) => ready.push({ name: event, data, isCut }),
    onError: (error) => {
      if (error.type === "max-buffer-size-exceeded") {
        failure ??= new SourceFailure("LLM_ERROR", "the model's server sent an event that is too large");
      } else failure ??= failureInLine(error.line ?? "");
    },
    maxBufferSize: MAX_EVENT_CHARACTERS,
  });
  const decoder = new TextDecoder();
  for await (const bytes of body) {
    parser.feed(decoder.decode(bytes, { stream: true }));
    // A reader that takes its time is not the server's silence.
    silence.pause();
    yield* ready.splice(0);
    if (failure !== null) throw failure as SourceFailure;
    silence.restart();
  }
  isCut = true;
  parser.feed(`${decoder.decode()}\n\n`);
  yield* ready.splice(0);
  if (failure !== null) throw failure as SourceFailure;
}

/** Unknown fields are to be ignored, says the standard; but servers that fail write their error as a bare line. */
function failureInLine(line: string): SourceFailure | null {
  const report = reportIn(parseJson(line.trim()));
  return report === null ? null : serverFailure(report);
}
