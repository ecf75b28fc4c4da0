import {
  CHUNK_TYPES,
  isStreamErrorCode,
  SERVICE_END_CODES,
  STREAM_ERROR_CODES,
  StreamError,
} from "@sluice/core";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { chunkJsonHead } from "./chunk-json.ts";
import { MAX_CACHE_TTL_SECONDS, MAX_CHUNK_BYTES, parseChunkDraft } from "./chunk-schema.ts";
import { compactFrames } from "./compact-frames.ts";
import { uploadLineSchema } from "./http-bodies.ts";
import { HTTP_HEADERS } from "./http-headers.ts";
import {
  connectionListSchema,
  partitionListSchema,
  readerCountsSchema,
  rejectedListSchema,
  serviceListSchema,
  streamListSchema,
} from "./control-bodies.ts";
import { decodeLiveMessage } from "./live-message.ts";
import { decodeMessage } from "./message-decoder.ts";
import { connectionFrame, idFrame, streamNoticeFrame } from "./multi-frames.ts";
import { encodeMultiPosition } from "./multi-position.ts";
import { problemOf } from "./problem.ts";
import {
  checkpointKey,
  chunksKey,
  endedStreamsKey,
  leaseKey,
  MEMBERS_KEY,
  metaKey,
  openStreamsKey,
  requestKey,
} from "./redis-keys.ts";
import { decodeResumeToken } from "./resume-token.ts";
import {
  cancelNoticeSchema,
  connectionPageSchema,
  connectionQuerySchema,
  headAnswerSchema,
  headRequestSchema,
  MAX_CENSUS_STREAMS,
  partitionPressureSchema,
  promptAnswerSchema,
  promptSchema,
  readersAnswerSchema,
  readersQuerySchema,
  rebuildAnswerSchema,
  rebuildRequestSchema,
  receiptSchema,
  stopAnswerSchema,
  stopRequestSchema,
  serviceReportSchema,
  streamChangeAnswerSchema,
  streamChangeSchema,
  tailAnnouncementSchema,
} from "./service-messages.ts";
import {
  cachedFrames,
  deletedFrame,
  elementFrames,
  gapFrame,
  heartbeatFrame,
  resetFrame,
} from "./sse-frames.ts";
import {
  MAX_ABANDONED_SECONDS,
  MAX_KEEP_ALIVE_MS,
  MIN_ABANDONED_SECONDS,
  MIN_KEEP_ALIVE_MS,
  streamOptionsSchema,
} from "./stream-options.ts";
import { CHUNKS_STREAM, HEADERS, PROMPT_SUBJECT, REJECTED_STREAM, WORKER_QUEUE } from "./subjects.ts";

/** INTERNALS.md holds its sections 9 and 10. */
const PAGE = ["PROTOCOL.md", "INTERNALS.md"]
  .map((name) => readFileSync(new URL(`../${name}`, import.meta.url), "utf8"))
  .join("\n");

const OPERATOR_ANSWERS = {
  "stream-list": streamListSchema,
  "service-list": serviceListSchema,
  "connection-list": connectionListSchema,
  "reader-counts": readerCountsSchema,
  "partition-list": partitionListSchema,
  "rejected-list": rejectedListSchema,
};

/** The fenced examples whose fence is marked with this kind. */
function examples(kind: string): string[] {
  const found = PAGE.matchAll(/^```([^\n]*)\n([\s\S]*?)^```$/gm);
  return [...found].filter(([, mark]) => mark === kind).map(([, , text]) => text ?? "");
}
const jsonExamples = (kind: string): unknown[] =>
  examples(`json ${kind}`).map((text) => JSON.parse(text) as unknown);

/** Cells of the table rows between two headings. */
function tableOf(section: string): string[][] {
  const from = PAGE.indexOf(`\n## ${section}`);
  const to = PAGE.indexOf("\n## ", from + 1);
  const rows = PAGE.slice(from, to < 0 ? undefined : to).matchAll(/^\| (.+) \|$/gm);
  return [...rows].map(([, row]) => (row ?? "").split(" | "));
}

describe("PROTOCOL.md and INTERNALS.md", () => {
  it("marks its examples with kinds that are checked here, and has some of each", () => {
    const kinds = [...PAGE.matchAll(/^```(\S[^\n]*)$/gm)].map(([, kind]) => kind);
    const json = [
      "draft",
      "chunk",
      "upload-line",
      "options",
      "status",
      "problem",
      "tail",
      "pressure",
      "receipt",
      "head-request",
      "head-answer",
      "checkpoint",
      "prompt",
      "prompt-answer",
    ];
    const services = [
      "rebuild-request",
      "rebuild-answer",
      "stop-request",
      "stop-answer",
      "cancel-notice",
      "readers-query",
      "readers-answer",
      "stream-change",
      "stream-change-answer",
      "connection-query",
      "connection-page",
      "service-report",
      "history",
    ];
    const operators = Object.keys(OPERATOR_ANSWERS);
    const checked = [...json, ...services, ...operators].map((kind) => `json ${kind}`);
    const others = [
      "sh",
      // Run by deploy/system/protocol-examples.integration.test.ts.
      "js reader",
      "js producer",
      "sse",
      "sse gap",
      "sse deleted",
      "sse heartbeat",
      "sse compact",
      "sse many",
      "text live",
      "text token",
    ];
    expect(new Set(kinds)).toEqual(new Set([...checked, ...others]));
  });

  it("lists every chunk type, and the event of every type that takes a number", () => {
    const types = tableOf("2").flatMap(([cell]) => /^`([A-Z]\w+)`$/.exec(cell ?? "")?.[1] ?? []);
    expect(types).toEqual(Object.keys(CHUNK_TYPES));
    const numbered = Object.entries(CHUNK_TYPES).filter(([, { isNumbered }]) => isNumbered);
    const events = numbered.map(([type]) => `\`${type.toLowerCase()}\``).join(", ");
    expect(PAGE).toContain(`\`event\` is the chunk's type in lower case: ${events}.`);
  });

  it("shows drafts that are valid", () => {
    for (const draft of jsonExamples("draft")) expect(parseChunkDraft(draft)).toMatchObject({ ok: true });
  });

  it("shows the chunk that its first draft becomes, byte for byte", () => {
    const [draft] = examples("json draft");
    const entry = decodeMessage({ ...BARE_MESSAGE, payload: Buffer.from(draft ?? "") }, MAX_CHUNK_BYTES);
    const data = elementFrames("abc", 1, entry.elements).split("\n")[2]?.slice("data: ".length);
    expect(data).toBe(JSON.stringify(jsonExamples("chunk")[0]));
  });

  it("shows the frames that chunks, placeholders and announcements have", () => {
    const entry = decodeMessage(
      { ...BARE_MESSAGE, payload: Buffer.from('{"type":"Text","content":"Hello"}') },
      MAX_CHUNK_BYTES,
    );
    const placeholder = Buffer.from(cachedFrames("abc", [{ sequence: 2, json: Buffer.alloc(0) }])).toString();
    expect(examples("sse").map((frame) => `${frame}\n`)).toEqual([
      elementFrames("abc", 1, entry.elements),
      placeholder,
    ]);
    expect(examples("sse gap").map((frame) => `${frame}\n`)).toEqual([
      gapFrame({ streamId: "abc", from: 3, to: 9, reason: "expired" }),
      resetFrame({ streamId: "abc", cursor: 9, head: 4 }),
    ]);
    const beat = Buffer.from('{"chunk_type":{"type":"Heartbeat"},"metadata":{"source":"gpt"}}');
    const { heartbeat = "" } = decodeMessage({ ...BARE_MESSAGE, payload: beat }, MAX_CHUNK_BYTES);
    expect(examples("sse heartbeat").map((frame) => `${frame}\n`)).toEqual([
      heartbeatFrame("abc", heartbeat),
    ]);
    expect(examples("sse deleted").map((frame) => `${frame}\n`)).toEqual([deletedFrame("abc", 10)]);
  });

  it("shows the frame that a run of texts becomes", () => {
    const texts = ["Hello", ", ", "world"].map((content) => ({ type: "Text", content }));
    const chunks = texts.map((text, index) => {
      const message = { ...BARE_MESSAGE, timestampMs: 1_700_000_000_000 + index };
      const entry = decodeMessage(
        { ...message, payload: Buffer.from(JSON.stringify(text)) },
        MAX_CHUNK_BYTES,
      );
      const [element] = entry.elements;
      if (element?.kind !== "chunk") throw new Error("not a chunk");
      return { sequence: index + 1, json: Buffer.from(chunkJsonHead("abc", index + 1) + element.body) };
    });
    expect(examples("sse compact").map((frame) => `${frame}\n`)).toEqual([
      Buffer.from(compactFrames("abc", chunks)).toString(),
    ]);
  });

  it("shows the frames of a connection that carries many streams", () => {
    const position = encodeMultiPosition({ listed: [42, 71], added: [] });
    expect(examples("sse many")).toEqual([
      connectionFrame("k3J9xQ2m.w8Zr1bTn5LcVd0Ye", ["a", "b"]) +
        streamNoticeFrame("b", { state: "ended", sequence: 71, status: "completed" }) +
        idFrame(position),
    ]);
  });

  it("shows a page of history with chunks and a gap as they are told elsewhere", () => {
    const count = z.int().nonnegative();
    const page = z.strictObject({
      stream_id: z.string(),
      chunks: z.array(z.looseObject({ stream_id: z.string(), sequence: count })),
      next_after: count,
      head: count,
      status: z.enum(["open", "completed", "errored", "cancelled", "deleted"]),
      gaps: z.array(z.strictObject({ from: count, to: count, reason: z.string() })),
    });
    for (const example of jsonExamples("history")) expect(page.parse(example)).toEqual(example);
  });

  it("shows messages between services that are valid", () => {
    const schemas = {
      options: streamOptionsSchema,
      "upload-line": uploadLineSchema,
      tail: tailAnnouncementSchema,
      pressure: partitionPressureSchema,
      receipt: receiptSchema,
      "head-request": headRequestSchema,
      "head-answer": headAnswerSchema,
      "rebuild-request": rebuildRequestSchema,
      "rebuild-answer": rebuildAnswerSchema,
      "stop-request": stopRequestSchema,
      "stop-answer": stopAnswerSchema,
      "cancel-notice": cancelNoticeSchema,
      "readers-query": readersQuerySchema,
      "readers-answer": readersAnswerSchema,
      "stream-change": streamChangeSchema,
      "stream-change-answer": streamChangeAnswerSchema,
      "connection-query": connectionQuerySchema,
      "connection-page": connectionPageSchema,
      "service-report": serviceReportSchema,
      prompt: promptSchema,
      "prompt-answer": promptAnswerSchema,
    };
    for (const [kind, schema] of Object.entries(schemas)) {
      for (const example of jsonExamples(kind)) expect(schema.parse(example)).toEqual(example);
    }
    const lines = examples("text live").flatMap((text) => text.trimEnd().split("\n"));
    expect(lines.map((line) => decodeLiveMessage(Buffer.from(`${line}\n`)))).toMatchObject([
      { first: 5, last: 6, isTerminal: false },
      { first: 3, last: 3, isTerminal: true },
      { first: 7, last: 9, isTerminal: true, frames: null },
    ]);
  });

  it("shows answers for operators as their routes give them", () => {
    for (const [kind, schema] of Object.entries(OPERATOR_ANSWERS)) {
      for (const example of jsonExamples(kind)) expect(schema.parse(example)).toEqual(example);
    }
  });

  it("shows a resume token of what stands before it", () => {
    const [position = "", token = ""] = (examples("text token")[0] ?? "").trim().split(" ");
    const { streamId, sequence } = decodeResumeToken(token);
    expect(`${streamId}:${sequence}`).toBe(position);
  });

  it("shows the problem that an invalid chunk is told with", () => {
    const error = new StreamError("INVALID_CHUNK", "content: is required", { details: { field: "content" } });
    expect(jsonExamples("problem")).toEqual([problemOf(error)]);
  });

  it("lists every error code with its status and whether to try again, and no other", () => {
    const rows = tableOf("8. Errors")
      .slice(1)
      .filter(([code]) => code?.startsWith("`"));
    const listed = rows.map(
      ([code = "", status, retry]) => [code.replaceAll("`", ""), Number(status), retry === "yes"] as const,
    );
    for (const [code, status, retryable] of listed) {
      if (!isStreamErrorCode(code)) throw new Error(`${code} is no code`);
      const error = new StreamError(code, "");
      expect([code, error.status, error.retryable]).toEqual([code, status, retryable]);
    }
    expect(listed.map(([code]) => code)).toEqual(STREAM_ERROR_CODES);
  });

  it("names every header, key and limit as the code has it", () => {
    const names = [
      ...Object.values(HEADERS),
      ...Object.values(HTTP_HEADERS),
      CHUNKS_STREAM,
      REJECTED_STREAM,
      PROMPT_SUBJECT,
      WORKER_QUEUE,
      MEMBERS_KEY,
    ];
    for (const name of names) expect(PAGE).toContain(`\`${name}`);
    const inPage = (key: string): string => `\`${key.replace("{p7}", "{p<p>}").replace("abc", "<id>")}\``;
    for (const key of [
      chunksKey(7, "abc"),
      metaKey(7, "abc"),
      openStreamsKey(7),
      endedStreamsKey(7),
      checkpointKey(7),
      leaseKey(7),
      requestKey("<hash>"),
    ])
      expect(PAGE).toContain(inPage(key));
    for (const code of SERVICE_END_CODES) expect(PAGE).toContain(`| \`${code}\` |`);
    expect(PAGE).toContain(MAX_CHUNK_BYTES.toLocaleString("en"));
    expect(PAGE).toContain(`up to ${MAX_CENSUS_STREAMS} streams`);
    const abandoned = `${MIN_ABANDONED_SECONDS} to ${MAX_ABANDONED_SECONDS.toLocaleString("en")}`;
    expect(PAGE).toContain(`\`cancel_when_abandoned_seconds\` | ${abandoned} s |`);
    const keepAlive = `${MIN_KEEP_ALIVE_MS.toLocaleString("en")} to ${MAX_KEEP_ALIVE_MS.toLocaleString("en")}`;
    expect(PAGE).toContain(`\`heartbeat_interval_ms\` | ${keepAlive} ms |`);
    expect(PAGE).toContain(`1 to ${MAX_CACHE_TTL_SECONDS.toLocaleString("en")}`);
  });

  it("shows a status and a checkpoint with whole numbers", () => {
    const count = z.int().nonnegative();
    const status = z.strictObject({
      stream_id: z.string(),
      status: z.enum(["open", "completed", "errored", "cancelled", "deleted"]),
      head_sequence: count,
      chunk_count: count,
      byte_count: count,
      created_ms: count,
      updated_ms: count,
      ended_ms: count.nullable(),
      cancel_requested_ms: count.nullable(),
      options: streamOptionsSchema.nullable(),
    });
    for (const example of jsonExamples("status")) expect(status.parse(example)).toEqual(example);
    const checkpoint = z.strictObject({ broker_sequence: count, timestamp_ms: count, log_created_ms: count });
    for (const example of jsonExamples("checkpoint")) expect(checkpoint.parse(example)).toEqual(example);
  });
});

const BARE_MESSAGE = {
  streamId: "abc",
  brokerSequence: 1,
  timestampMs: 1_700_000_000_000,
  messageId: null,
  producerSequence: null,
  expectedLastSequence: null,
  control: null,
  options: null,
  beatIntervalMs: null,
  receiptTo: null,
} as const;
