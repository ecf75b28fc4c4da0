/**
 * Reads a stream with the library that is named first, as its own README shows, and writes each text as a line of JSON.
 * Doesn't close anything at the end, so that it can be seen what the library does then.
 *
 *     node reader.mjs eventsource-client http://127.0.0.1:8080/streams/my-stream/events
 */
import { setTimeout as delay } from "node:timers/promises";

const [library, url] = process.argv.slice(2);

const say = (data) => {
  const { chunk_type: type } = JSON.parse(data);
  console.log(JSON.stringify(type.type === "Text" ? type.content : type.type));
};

/** Constructor with the interface of the browser's EventSource. */
function listen(source) {
  source.addEventListener("text", (event) => say(event.data));
  source.addEventListener("complete", (event) => say(event.data));
  // Some throw an error that nobody listens to.
  source.addEventListener("error", () => {});
}

const readers = {
  "Node's EventSource": () => listen(new EventSource(url)),
  eventsource: async () => listen(new (await import("eventsource")).EventSource(url)),
  "event-source-polyfill": async () => {
    const { EventSourcePolyfill } = (await import("event-source-polyfill")).default;
    listen(new EventSourcePolyfill(url));
  },
  "reconnecting-eventsource": async () => {
    const { default: exports } = await import("reconnecting-eventsource");
    listen(new (exports.default ?? exports)(url));
  },
  "launchdarkly-eventsource": async () => {
    const { default: exports } = await import("launchdarkly-eventsource");
    listen(new exports.EventSource(url));
  },
  "eventsource-client": async () => {
    const { createEventSource } = await import("eventsource-client");
    for await (const { data, event } of createEventSource({ url }))
      if (/text|complete/.test(event)) say(data);
  },
  "@microsoft/fetch-event-source": async () => {
    // It was written for pages.
    const page = { hidden: false, addEventListener() {}, removeEventListener() {} };
    Object.assign(globalThis, { window: globalThis, document: page });
    const { fetchEventSource } = await import("@microsoft/fetch-event-source");
    await fetchEventSource(url, {
      openWhenHidden: true,
      onmessage: ({ data, event }) => /text|complete/.test(event) && say(data),
    });
  },
  /** No library: whoever does it by hand asks again until it has seen the end. */
  fetch: async () => {
    for (let last = "0", isOver = false; !isOver; await delay(100)) {
      try {
        const response = await fetch(url, { headers: { "last-event-id": last, "sluice-client": "test" } });
        if (response.status !== 200) continue;
        let rest = "";
        for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
          const frames = (rest + text).split("\n\n");
          rest = frames.pop();
          for (const [, id, data] of frames.map((frame) => /^id: (\d+)[^]*^data: (.*)$/m.exec(frame) ?? [])) {
            if (id === undefined) continue;
            last = id;
            say(data);
            isOver ||= JSON.parse(data).chunk_type.type === "Complete";
          }
        }
      } catch {
        // Cut: it goes on after the last id.
      }
    }
  },
};

const alive = setInterval(() => {}, 1_000);
try {
  await readers[library]();
} catch (error) {
  console.error(error);
  clearInterval(alive);
}
