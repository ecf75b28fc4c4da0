import type { Operation } from "./operation.ts";

const content = { "application/json": "CancelAnswered" } as const;

/** Operation at gateway and edge alike; the edge may refuse it as any request. */
export const CANCEL_OPERATION: Operation = {
  method: "POST",
  path: "/streams/{streamId}/cancel",
  id: "cancelStream",
  summary: "Have a stream stopped",
  answers: {
    200: { description: "It had ended before.", content },
    202: { description: "The wish is recorded; the stream will end.", content },
  },
  problems: ["STREAM_NOT_FOUND", "STREAM_DELETED", "CACHE_UNAVAILABLE"],
};
