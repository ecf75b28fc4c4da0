/** An id of a stream, in JSON Schema. */
export const STREAM_ID = { type: "string", pattern: "^[A-Za-z0-9_-]{1,128}$" } as const;
