/** How fast does a reader that comes late, or comes again, get the rest of an answer, and is it whole? */
import { check } from "k6";
import http from "k6/http";
import { COMPLETE, createStream, eventsUrl, postChunks, text } from "./target.js";
import { readAnswer } from "./sse.js";

const CHUNKS = Number(__ENV.CHUNKS || 100);

export const options = {
  vus: 50,
  duration: "30s",
  thresholds: {
    checks: ["rate==1"],
    "http_req_duration{name:replay}": ["p(99)<100"],
  },
};

export function setup() {
  const streamId = createStream();
  const chunks = Array.from({ length: CHUNKS - 1 }, (_, index) => text(`chunk ${index} ${"x".repeat(160)}`));
  const response = postChunks(streamId, [...chunks, COMPLETE]);
  if (response.status !== 200) throw new Error(`not published: ${response.status} ${response.body}`);
  return { streamId };
}

export default function replay({ streamId }) {
  const cursor = Math.floor(Math.random() * CHUNKS);
  const response = http.get(eventsUrl(streamId), {
    headers: { Accept: "text/event-stream", "Last-Event-ID": String(cursor), "Sluice-Client": "k6" },
    tags: { name: "replay" },
  });
  const answer = readAnswer(response.body ?? "", cursor);
  check(answer, {
    "is dense from the cursor on": ({ isDense }) => isDense,
    "goes to the end": ({ last, isComplete }) => isComplete && last === CHUNKS,
    "has no gap": ({ hasGap }) => !hasGap,
  });
}
