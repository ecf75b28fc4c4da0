import type { EndStatus, LogElement, LogEntry, StoredMessage } from "@sluice/core";

/** A chunk as the decoder makes it. */
export function textElement(
  content: string,
  options: { endStatus?: EndStatus; cacheTtlSeconds?: number } = {},
): LogElement {
  return {
    kind: "chunk",
    body: `"chunk_type":${JSON.stringify({ type: "Text", content })},"data":null}`,
    endStatus: options.endStatus ?? null,
    cacheTtlSeconds: options.cacheTtlSeconds ?? null,
  };
}

export function rejectedElement(): LogElement {
  return { kind: "rejected", reason: "refused in a test" };
}

/** A message of stream `s` whose timestamp tells its broker sequence. */
export function logEntry(
  brokerSequence: number,
  fields: Partial<LogEntry> & { texts?: readonly string[] } = {},
): LogEntry {
  const { texts, ...rest } = fields;
  return {
    streamId: "s",
    brokerSequence,
    timestampMs: 1000 + brokerSequence,
    firstSequence: null,
    isTombstone: false,
    options: null,
    beatIntervalMs: null,
    elements: (texts ?? []).map((text) => textElement(text)),
    ...rest,
  };
}

/** Message as the log stores a publish without headers, on stream `s`. */
export function bareMessage(
  payload: string | Uint8Array,
  fields: Partial<StoredMessage> = {},
): StoredMessage {
  return {
    streamId: "s",
    brokerSequence: 1,
    timestampMs: 1,
    messageId: null,
    producerSequence: null,
    expectedLastSequence: null,
    control: null,
    options: null,
    beatIntervalMs: null,
    receiptTo: null,
    payload: typeof payload === "string" ? Buffer.from(payload) : payload,
    ...fields,
  };
}
