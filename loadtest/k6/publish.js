/** How many chunks/s does the gateway take, and how long until they are durable? */
import { check } from "k6";
import { Counter } from "k6/metrics";
import { createStream, postChunks, text } from "./target.js";

const CHUNKS_PER_REQUEST = Number(__ENV.CHUNKS_PER_REQUEST || 10);
const CONTENT = "x".repeat(170);

const accepted = new Counter("chunks_accepted");

export const options = {
  vus: 20,
  duration: "30s",
  thresholds: {
    checks: ["rate==1"],
    "http_req_duration{name:chunks}": ["p(99)<100"],
  },
};

// One stream for each virtual user, made in its first iteration.
let streamId = null;

export default function publish() {
  streamId ??= createStream();
  const chunks = Array.from({ length: CHUNKS_PER_REQUEST }, () => text(CONTENT));
  const response = postChunks(streamId, chunks);
  const isDurable = check(response, {
    "all are durable": (answer) => answer.status === 200 && answer.json("accepted") === CHUNKS_PER_REQUEST,
  });
  if (isDurable) accepted.add(CHUNKS_PER_REQUEST);
}
