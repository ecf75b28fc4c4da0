import { readFileSync } from "node:fs";

const read = (file: string): string => readFileSync(new URL(file, import.meta.url), "utf8");

/** A provider's `fetch` that answers each request with a transcript of this folder, in packets of a few bytes. */
export function serving(file: string, packetBytes = 7): typeof fetch {
  return async () => streamOf(packetsOf(read(file), packetBytes));
}

/**
 * A provider that says so much of a transcript and then nothing; `hungUp` resolves once its reader has gone.
 * @param until how many bytes, or the first event that has this in it and isn't sent any more
 */
export function fallingSilent(
  file: string,
  until: number | string,
): { fetch: typeof fetch; hungUp: Promise<void> } {
  const hungUp = Promise.withResolvers<void>();
  const text = read(file);
  const end = typeof until === "number" ? until : text.lastIndexOf("data:", text.indexOf(until));
  const packets = packetsOf(text.slice(0, end), 64);
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      const { value, done } = packets.next();
      if (done !== true) controller.enqueue(value);
      return done === true ? new Promise(() => undefined) : undefined;
    },
    cancel: () => hungUp.resolve(),
  });
  // What a real fetch does when its request is aborted.
  const fetchIt: typeof fetch = async (_input, init) => {
    const reader = body.getReader();
    init?.signal?.addEventListener("abort", () => void reader.cancel());
    return sse(
      new ReadableStream({
        async pull(controller) {
          const { value, done } = await reader.read();
          if (init?.signal?.aborted === true) controller.error(new DOMException("aborted", "AbortError"));
          else if (done) controller.close();
          else controller.enqueue(value);
        },
        cancel: (reason) => reader.cancel(reason),
      }),
    );
  };
  return { fetch: fetchIt, hungUp: hungUp.promise };
}

/** A provider that refuses with this body. */
export function refusing(status: number, body: object): typeof fetch {
  return async () => Response.json(body, { status });
}

function streamOf(packets: Iterator<Uint8Array>): Response {
  return sse(
    new ReadableStream({
      pull(controller) {
        const { value, done } = packets.next();
        if (done === true) controller.close();
        else controller.enqueue(value);
      },
    }),
  );
}

function sse(body: ReadableStream<Uint8Array>): Response {
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
}

function* packetsOf(text: string, bytes: number): Generator<Uint8Array, undefined> {
  const all = new TextEncoder().encode(text);
  for (let at = 0; at < all.length; at += bytes) yield all.subarray(at, at + bytes);
}
