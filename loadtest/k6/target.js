import http from "k6/http";

/** Where `npm start` listens, unless told otherwise: k6 run -e EDGE_URL=… -e GATEWAY_URL=… */
export const EDGE_URL = __ENV.EDGE_URL || "http://127.0.0.1:8080";
export const GATEWAY_URL = __ENV.GATEWAY_URL || "http://127.0.0.1:8081";

export const eventsUrl = (streamId) => `${EDGE_URL}/streams/${streamId}/events`;

/** @returns the new stream's id */
export function createStream() {
  const response = http.post(`${GATEWAY_URL}/streams`, null, { tags: { name: "create" } });
  if (response.status !== 201) throw new Error(`no stream: ${response.status} ${response.body}`);
  return response.json("stream_id");
}

export function postChunks(streamId, chunks) {
  return http.post(`${GATEWAY_URL}/streams/${streamId}/chunks`, JSON.stringify(chunks), {
    headers: { "Content-Type": "application/json" },
    tags: { name: "chunks" },
  });
}

export const text = (content) => ({ type: "Text", content });
export const COMPLETE = { type: "Complete", summary: null };
