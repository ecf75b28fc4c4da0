import { gzipSync } from "node:zlib";
import { Malformed, type MalformedRequest } from "./malformed.ts";

const ODD_VALUES = [
  "",
  "0",
  "-1",
  "1",
  "1.5",
  "1e400",
  "NaN",
  "Infinity",
  "null",
  "__proto__",
  "constructor",
  "[]",
  "%00",
  "%ff",
  "%F0%9F%92%A9",
  "a%20b",
  "..%2f..",
  "9".repeat(40),
  "9007199254740993",
  "a".repeat(200),
  "YWJjOjQx",
  "true",
];
const PARAMETERS = [
  "from",
  "tail",
  "last_event_id",
  "lastEventId",
  "resume_token",
  "after",
  "limit",
  "compact",
  "coalesce_ms",
  "stream_id",
  "stream_id[]",
  "stream_id[__proto__]",
  "mode",
  "__proto__",
];
/** Ids that are none, and some that are, but of no stream. */
const ODD_IDS = [
  "%00",
  "a%20b",
  "..%2f",
  "x".repeat(129),
  "__proto__",
  "constructor",
  "nobody",
  "-",
  "_",
  "%zz",
];
const DEEP_LEVELS = [10, 96, 97, 200, 7_000, 30_000];
const ODD_NUMBERS = ["1e400", "-1e400", "1e-400", "-0", "9007199254740993", "1E+308", "0.1e1", "5e-324"];

/**
 * Makes requests that may be right or wrong, from a seed: what they are answered with is not known, only that it is an answer.
 * None of them keeps a connection open on purpose.
 */
export class OddRequests {
  readonly #random: Malformed;

  constructor(seed: number) {
    this.#random = new Malformed(seed);
  }

  /** Makes requests for a gateway. @param streamId of an open stream, to which some chunks are written */
  forGateway(streamId: string): MalformedRequest {
    const { pick } = this;
    const path = pick([
      `/streams/${streamId}/chunks`,
      `/streams/${pick(ODD_IDS)}/chunks`,
      `/streams/${streamId}/heartbeat`,
      `/streams/${pick(ODD_IDS)}/complete`,
      `/streams/${pick(ODD_IDS)}/proxy`,
      `/streams/${streamId}/proxy`,
      `/streams/${pick(ODD_IDS)}/cancel`,
      "/streams",
      "/streams",
      "/streams/batch",
      "/prompts",
      "/control/streams",
      "//",
      "/%2e%2e/%2e%2e/etc/passwd",
    ]);
    return {
      method: this.#mostly("POST", ["GET", "DELETE", "OPTIONS", "PUT"]),
      path: pick([path, path, path, path + this.#query()]),
      ...this.#content(),
    };
  }

  /** Makes requests for an edge, of unknown streams, so that nothing is followed. */
  forEdge(): MalformedRequest {
    const { pick } = this;
    const id = pick(ODD_IDS);
    const path = pick([
      `/streams/${id}/events`,
      `/streams/${id}/chunks`,
      "/stream",
      "/streams/events",
      `/streams/events?${Array.from({ length: 1 + this.#random.below(80) }, (_, index) => `stream_id=none${index}`).join("&")}`,
      `/connections/${pick(ODD_VALUES)}/streams/${id}`,
      `/connections/AAAAAAAA.${"A".repeat(16)}/streams/${id}`,
      `/streams/${id}/cancel`,
      "/openapi.json",
      "/x",
    ]);
    const content = this.#content();
    return {
      method:
        path.startsWith("/connections") || path.endsWith("/cancel")
          ? this.#mostly("POST", ["DELETE", "GET"])
          : this.#mostly("GET", ["POST", "DELETE", "OPTIONS", "PATCH"]),
      path: path.includes("?") ? path : path + this.#query(),
      ...content,
      // Else a refusal of an EventSource looks like a stream.
      headers: { ...content.headers, "sluice-client": "fuzz" },
    };
  }

  /** A subject of core NATS, and what is published on it. */
  forNats(): { subject: string; payload: Uint8Array } {
    const { pick } = this;
    const id = pick(["nobody", "__proto__", "a".repeat(200), "$SYS", 'a"b', "{p0}", "ä"]);
    const subject = pick([
      `beat.${id}`,
      `live.${id}`,
      `cancel.${id}`,
      `rebuild.${this.#random.below(40)}`,
      `head.${this.#random.below(40)}`,
      `stop.${this.#random.below(40)}`,
      `here.${this.#random.below(40)}`,
      `tail.${this.#random.below(40)}`,
      `pressure.${this.#random.below(40)}`,
      "readers",
      "edges",
      "reports",
      "prompt",
    ]);
    const request = { streamId: pick([id, "", "a b", null, 1, {}]), prompt: pick(["x", 1, null]) };
    const payload = pick([
      () => Buffer.from(JSON.stringify(request)),
      () => Buffer.from(`{"streamId":${this.#json()},"kind":"add","connectionId":${this.#json()}}`),
      () =>
        Buffer.from(`{"streamIds":[${this.#json()}],"after":${this.#json()},"limit":${pick(ODD_NUMBERS)}}`),
      () => Buffer.from(`${pick(ODD_VALUES)} ${pick(ODD_VALUES)} -\nid: 1\n\n`),
      () => this.#random.payload(),
    ])();
    return { subject, payload };
  }

  readonly pick = <T>(values: readonly T[]): T => this.#random.pick(values);

  #mostly(usual: string, others: readonly string[]): string {
    return this.#random.below(8) === 0 ? this.pick(others) : usual;
  }

  #query(): string {
    const count = this.#random.below(4);
    const parameter = (): string => `${this.pick(PARAMETERS)}=${this.pick(ODD_VALUES)}`;
    return count === 0 ? "" : `?${Array.from({ length: count }, parameter).join("&")}`;
  }

  #content(): Pick<MalformedRequest, "headers" | "body" | "more"> {
    const { pick } = this;
    const text = this.#body();
    const type = pick([
      "application/json",
      "application/json",
      "application/json",
      "APPLICATION/JSON",
      "application/json; charset=utf-16",
      "application/json; charset=none",
      "application/x-ndjson",
      "application/x-ndjson; charset=latin1",
      "text/plain",
      "application/x-www-form-urlencoded",
      "multipart/form-data; boundary=x",
      "",
    ]);
    const encoding = pick([
      "",
      "",
      "",
      "",
      "gzip",
      "deflate",
      "br",
      "identity",
      "gzip, gzip",
      "x".repeat(50),
    ]);
    const plain = Buffer.from(text);
    const body = encoding === "gzip" && pick([true, false]) ? gzipSync(plain) : plain;
    const keys = ["", "", "k", `k${this.#random.below(500)}`, "a b", "k".repeat(300), "\u00e9", "__proto__"];
    const headers: Record<string, string> = { "content-type": type };
    if (encoding !== "") headers["content-encoding"] = encoding;
    const key = pick(keys);
    if (key !== "") headers["idempotency-key"] = key;
    if (pick([true, false, false])) headers["sluice-sequence"] = pick(ODD_VALUES);
    if (pick([true, false, false])) headers["last-event-id"] = pick(ODD_VALUES);
    if (pick([true, false, false]))
      headers["accept"] = pick(["text/event-stream", "*/*", "x", "application/x-ndjson;q=0", ","]);
    if (pick([true, false, false, false]))
      headers["x-forwarded-for"] = pick(["::", "6.6.6.6, 7.7.7.7", "x", ","]);
    if (pick([true, false, false, false, false]))
      headers["host"] = pick(["", "evil.example", "127.0.0.1:1", "a b", "[::1]"]);
    return { headers, body, more: pick([[], [], [], [], this.#doubled()]) };
  }

  /** Headers that come twice. */
  #doubled(): [string, string][] {
    const name = this.pick([
      "content-type",
      "content-length",
      "idempotency-key",
      "last-event-id",
      "host",
      "origin",
      "sluice-sequence",
      "transfer-encoding",
      "content-encoding",
    ]);
    const values = ["1", "x", "chunked", "application/json", "gzip", "http://evil.example", ""];
    return [[name, this.pick(values)]];
  }

  #body(): string {
    const { pick } = this;
    return pick([
      () => "",
      () => this.#random.element(),
      () => `[${this.#random.element()},{"type":"Text","content":"x"}]`,
      () => `{"type":"Json","data":${this.#json()}}`,
      () => `[{"type":"Event","event_type":"e","payload":${this.#json()}}]`,
      () => `{"chunk_type":{"type":"Text","content":"x"},"metadata":{"custom":${this.#json()}}}`,
      () => `{"type":"Text","content":"x"}\n{"type":"Json","data":${this.#json()}}\n`,
      () => `{"options":${this.#options()}}`,
      () => `{"stream_id":${pick(['"__proto__"', '"constructor"', "1", '"a b"', this.#json()])}}`,
      () =>
        `{"streams":[${Array.from({ length: this.#random.below(4) }, () => `{"options":${this.#options()}}`).join()}]}`,
      () => `{"prompt":${this.#json()},"stream_id":${this.#json()}}`,
      () => `{"summary":${this.#json()}}`,
      () =>
        `{"model":${this.#json()},"messages":[{"role":"user","content":${this.#json()}}],"n":${pick(ODD_NUMBERS)}}`,
      () => `{"__proto__":${this.#json()},"constructor":{"prototype":{"x":1}}}`,
      () => "\ufeff{}",
      () => '{"type":"Text","content":"\\ud800"}',
    ])();
  }

  #options(): string {
    const { pick } = this;
    return pick([
      () => "{}",
      () => `{"cache_ttl":${pick([...ODD_NUMBERS, "60", '"60"'])}}`,
      () => `{"custom":{"__proto__":${this.#json()}}}`,
      () => `{"custom":{"a":${this.#json()}}}`,
      () =>
        `{"custom":{${Array.from({ length: this.#random.below(120) }, (_, index) => `"k${index}":"${"v".repeat(this.#random.below(1_100))}"`).join()}}}`,
      () => this.#json(),
    ])();
  }

  #json(): string {
    const { pick } = this;
    const levels = pick(DEEP_LEVELS);
    return pick([
      () => "null",
      () => '"x"',
      () => pick(ODD_NUMBERS),
      () => `[1,{"a":${pick(ODD_NUMBERS)}}]`,
      () => '{"__proto__":{"polluted":true}}',
      () => '{"toJSON":1,"then":2}',
      () => "[".repeat(levels) + "]".repeat(levels),
      () => `${'{"a":'.repeat(levels)}1${"}".repeat(levels)}`,
    ])();
  }
}
