/** Do many readers of answers that are being written get every chunk, in order, to the end? */
import { check, sleep } from "k6";
import http from "k6/http";
import { COMPLETE, createStream, eventsUrl, postChunks, text } from "./target.js";
import { readAnswer } from "./sse.js";

const READERS = Number(__ENV.READERS || 5);
const ROUNDS = Number(__ENV.ROUNDS || 40);
const CHUNKS_PER_ROUND = 5;
const PAUSE_SECONDS = 0.1;
const LAST_SEQUENCE = ROUNDS * CHUNKS_PER_ROUND + 1;

export const options = {
  vus: 20,
  duration: "30s",
  thresholds: { checks: ["rate==1"] },
};

export default async function follow() {
  const streamId = createStream();
  // Each answers when the stream has ended; k6 reads them in the background meanwhile.
  const readers = Array.from({ length: READERS }, () =>
    http.asyncRequest("GET", eventsUrl(streamId), null, {
      headers: { Accept: "text/event-stream", "Sluice-Client": "k6" },
      tags: { name: "live" },
    }),
  );
  for (let round = 0; round < ROUNDS; round++) {
    const chunks = Array.from({ length: CHUNKS_PER_ROUND }, () => text(`round ${round} ${"x".repeat(160)}`));
    check(postChunks(streamId, chunks), { "chunks are durable": ({ status }) => status === 200 });
    sleep(PAUSE_SECONDS);
  }
  check(postChunks(streamId, [COMPLETE]), { "the end is durable": ({ status }) => status === 200 });

  for (const response of await Promise.all(readers)) {
    check(readAnswer(response.body ?? ""), {
      "every chunk came once, in order": ({ isDense, last }) => isDense && last === LAST_SEQUENCE,
      "the end came": ({ isComplete }) => isComplete,
    });
  }
}
