/** Request to the gateway, wrong somewhere. */
export interface MalformedRequest {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: Buffer;
  /** Header lines besides, which may repeat names. */
  more?: readonly (readonly [string, string])[];
}

const TEXT = { type: "Text", content: "x" };
const NOT_OBJECTS = [
  "null",
  "true",
  "0",
  "-1.5e300",
  '"Text"',
  '""',
  "[]",
  "[[]]",
  '[{"type":"Text","content":"x"}]',
];
const WRONG_VALUES = ["null", "[]", "{}", "1", "-1", "1.5", '"x"', "true", "9007199254740993", "1e400"];
const NO_JSON = [
  "",
  "{",
  "[",
  "}",
  "nul",
  "NaN",
  "undefined",
  "'x'",
  '{"type":"Text","content":"x"',
  '{"type":"Text","content":"x",}',
  '{type:"Text"}',
  '{"type":"Text","content":"\u0000"}',
  "\uFEFF{}",
  "1 2",
  '{"type":"Text","content":"x"}{"type":"Text","content":"y"}',
  "\n",
  "--",
];

/**
 * Makes chunks and requests that must be refused, from a seed: the same ones each time. No chunk of it is a heartbeat or
 * an end, so that each takes a number and none ends its stream, unless `end` is asked for.
 */
export class Malformed {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A whole number from 0 to below the bound (mulberry32). */
  below(bound: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * bound);
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)] as T;
  }

  /** JSON that is no chunk. */
  element(): string {
    const wrong = this.pick(WRONG_VALUES);
    const name = `f${this.below(1_000)}`;
    return this.pick([
      () => this.pick(NOT_OBJECTS),
      () => "{}",
      () => `{"type":${wrong === '"x"' ? '"text"' : wrong}}`,
      () => '{"type":"Text"}',
      () => `{"type":"Text","content":${this.pick(["null", "1", "[]", "{}", "false"])}}`,
      () => JSON.stringify({ ...TEXT, [name]: 1 }),
      () => '{"type":"Json"}',
      () => '{"type":"Event","event_type":"e"}',
      () => `{"type":"Event","payload":1,"event_type":${this.pick(["null", "1", "[]"])}}`,
      () => `{"type":"Progress","current":${this.pick(["-1", "1.5", '"1"', "null", "1e300"])}}`,
      () => `{"type":"Progress","current":1,"total":${this.pick(["-1", '"9"', "0.5", "[]"])}}`,
      () => `{"chunk_type":${this.pick(["null", "[]", "1", '"Text"', "{}"])}}`,
      () => JSON.stringify({ chunk_type: TEXT, [name]: null }),
      () => `{"chunk_type":${JSON.stringify(TEXT)},"metadata":${this.pick(["null", "[]", "1", '"x"'])}}`,
      () =>
        `{"chunk_type":${JSON.stringify(TEXT)},"metadata":{"cache_ttl":${this.pick(["0", "-1", "86401", '"9"', "1.5"])}}}`,
      () =>
        `{"chunk_type":${JSON.stringify(TEXT)},"metadata":{"custom":${this.pick(["[]", "1", '{"a":1}', '{"__proto__":"x"}'])}}}`,
      () =>
        `{"chunk_type":${JSON.stringify(TEXT)},"timestamp":${this.pick(["-1", "1.5", '"0"', "null", "1e300"])}}`,
      () => `{"type":"Json","data":${"[".repeat(100)}${"]".repeat(100)}}`,
      () =>
        `{"type":"${this.pick(["text", "TEXT", "Texts", "__proto__", "constructor", ""])}","content":"x"}`,
      () => `{"sequence":1,"stream_id":"x","chunk_type":${JSON.stringify(TEXT)}}`,
    ])();
  }

  /** A payload of exactly one element, which is refused. */
  payload(): Buffer {
    const kind = this.below(10);
    if (kind < 3) return Buffer.from(this.pick(NO_JSON.slice(1)));
    if (kind === 3) return this.#bytes(1 + this.below(200));
    if (kind === 4) return Buffer.from("[".repeat(1 + this.below(50_000)));
    if (kind === 5) return Buffer.from(`[${Array.from({ length: 1_025 }, () => "1").join()}]`);
    const element = this.element();
    return Buffer.from(element.startsWith("[") ? `[${element}]` : element);
  }

  /** An array of so many elements, all of them refused. */
  array(length: number): Buffer {
    return Buffer.from(`[${Array.from({ length }, () => this.element()).join()}]`);
  }

  /** An end that is malformed: it ends its stream all the same. */
  end(): Buffer {
    const type = this.pick(["Complete", "Error"]);
    return Buffer.from(
      this.pick([
        `{"type":"${type}","summary":1,"error":1}`,
        `{"chunk_type":{"type":"${type}","x":1}}`,
        `{"chunk_type":{"type":"${type}"},"timestamp":-1,"data":{}}`,
      ]),
    );
  }

  /** @param streamId of an open stream, which must stay as it is */
  request(streamId: string): MalformedRequest {
    const chunks = `/streams/${streamId}/chunks`;
    const json = { "content-type": "application/json" };
    const lines = { "content-type": "application/x-ndjson" };
    const good = Buffer.from(JSON.stringify(TEXT));
    const make = (
      path: string,
      headers: Record<string, string>,
      body: Buffer,
      method = "POST",
    ): MalformedRequest => ({ method, path, headers, body });
    return this.pick([
      () => make(chunks, json, Buffer.from(this.#single())),
      () => make(chunks, json, Buffer.from(`[${JSON.stringify(TEXT)},${this.element()}]`)),
      () => make(chunks, json, Buffer.from(this.pick(NO_JSON))),
      () => make(chunks, json, Buffer.from("[".repeat(1 + this.below(20_000)))),
      () => make(chunks, lines, Buffer.from(`${this.#single()}\n${JSON.stringify(TEXT)}\n`)),
      () => make(chunks, { ...lines, accept: "application/x-ndjson;q=0" }, Buffer.from(this.#single())),
      () => make(chunks, lines, Buffer.concat([Buffer.from([0xff, 0xfe]), this.#bytes(50)])),
      () =>
        make(
          chunks,
          {
            "content-type": this.pick([
              "text/plain",
              "application/xml",
              "x",
              "application/json;charset=none",
            ]),
          },
          good,
        ),
      () => make(chunks, { ...json, "content-encoding": this.pick(["gzip", "br", "none-such"]) }, good),
      () =>
        make(
          chunks,
          { ...json, "sluice-sequence": this.pick(["x", "-1", "0", "1.5", "99", "1e3", "9".repeat(30)]) },
          good,
        ),
      () =>
        make(chunks, { ...json, "idempotency-key": this.pick(["", "a b", "\u00e9", "k".repeat(300)]) }, good),
      () => make(`${chunks}?mode=${this.pick(["x", "", "shared&mode=exclusive"])}`, json, good),
      () =>
        make(
          "/streams",
          json,
          Buffer.from(
            this.pick([
              this.element(),
              '{"stream_id":1}',
              '{"options":{"cache_ttl":0}}',
              '{"stream_id":"a b"}',
              ...NO_JSON.slice(1, 8),
            ]).replace(/^\{\}$|^\[\]$/, "[1]"),
          ),
        ),
      () =>
        make(
          "/streams/batch",
          json,
          Buffer.from(this.pick(["{}", '{"streams":[]}', '{"streams":[1]}', '{"streams":{}}', "[]", "{"])),
        ),
      () =>
        make(
          `/streams/${streamId}/complete`,
          json,
          Buffer.from(this.pick(['{"summary":1}', '{"x":1}', "[1]", "{"])),
        ),
      () =>
        make(
          "/prompts",
          json,
          Buffer.from(
            this.pick(["{}", '{"prompt":""}', '{"prompt":1}', '{"prompt":"x","stream_id":"a b"}', "[]"]),
          ),
        ),
      () =>
        make(
          `/streams/${this.pick(["%00", "%zz", "a%20b", "..%2f", "x".repeat(129), "%C3%A9"])}`,
          {},
          Buffer.alloc(0),
          this.pick(["GET", "DELETE"]),
        ),
      () =>
        make(
          this.pick(["/x", "/streams/a/b/c", "/streams/%2e%2e/x/y", `/${"y".repeat(2_000)}`]),
          {},
          Buffer.alloc(0),
          "GET",
        ),
      () =>
        make(
          this.pick([chunks, "/streams/batch/chunks", "/prompts"]),
          {},
          Buffer.alloc(0),
          this.pick(["PUT", "PATCH", "TRACE"]),
        ),
    ])();
  }

  /** An element that isn't an array, whose elements would be looked at. */
  #single(): string {
    const element = this.element();
    return element.startsWith("[") ? "{}" : element;
  }

  #bytes(length: number): Buffer {
    // Not UTF-8, whatever follows.
    return Buffer.from([0xff, ...Array.from({ length }, () => this.below(256))]);
  }
}
