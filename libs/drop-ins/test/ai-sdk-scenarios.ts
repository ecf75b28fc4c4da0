/** Answers of the AI SDK, of every kind: each arrives in the same way with and without Sluice. */

const nested = (levels: number): unknown => {
  let value: unknown = "end";
  for (let level = 0; level < levels; level++) value = level % 2 === 0 ? [value] : { level: value };
  return value;
};
const picture = (bytes: number): string => `data:image/png;base64,${"iVBORw0K".repeat(bytes / 8)}`;
const proto = JSON.parse('{"__proto__":{"isAdmin":true},"a":1}') as unknown;
const constructorProto = JSON.parse('{"constructor":{"prototype":{"isAdmin":true}}}') as unknown;

const text = (id: string, ...deltas: string[]): object[] => [
  { type: "text-start", id },
  ...deltas.map((delta) => ({ type: "text-delta", id, delta })),
  { type: "text-end", id },
];
const reasoning = (id: string, ...deltas: string[]): object[] => [
  { type: "reasoning-start", id, providerMetadata: { anthropic: { signature: "a" } } },
  ...deltas.map((delta) => ({ type: "reasoning-delta", id, delta })),
  { type: "reasoning-end", id },
];
const called = (toolCallId: string, input: unknown): object[] => [
  { type: "tool-input-start", toolCallId, toolName: "look" },
  { type: "tool-input-delta", toolCallId, inputTextDelta: '{"a"' },
  { type: "tool-input-delta", toolCallId, inputTextDelta: ":1}" },
  { type: "tool-input-available", toolCallId, toolName: "look", input },
];
const returned = (toolCallId: string, output: unknown, more: object = {}): object => ({
  type: "tool-output-available",
  toolCallId,
  output,
  ...more,
});
const answer = (...parts: unknown[]): unknown[] => [
  { type: "start", messageId: "m" },
  { type: "start-step" },
  ...parts,
  { type: "finish-step" },
  { type: "finish" },
];

export const scenarios: readonly (readonly [name: string, parts: readonly unknown[]])[] = [
  ["a text", answer(...text("t", "Hel", "lo."))],
  ["texts one after another", answer(...text("1", "a"), ...text("2", "b"))],
  [
    "texts at once",
    answer({ type: "text-start", id: "1" }, ...text("2", "b"), { type: "text-end", id: "1" }),
  ],
  ["an empty text", answer(...text("t", ""))],
  ["characters of all lengths", answer(...text("t", "aü€👋", '\u2028\u0000\n\r\t"\\', "👩‍👩‍👧‍👦"))],
  ["a character that is cut between two deltas", answer(...text("t", "\ud83d", "\udc4b"))],
  ["a delta of 3 MB", answer(...text("t", "x".repeat(3_000_000)))],
  ["a delta of 2 MB of pairs", answer(...text("t", `x${"👋".repeat(500_000)}`))],
  ["reasoning, then text", answer(...reasoning("r", "Hm", "m."), ...text("t", "Yes."))],
  ["a tool call and its result", answer(...called("c", { a: 1 }), returned("c", { ok: true }))],
  ["a tool call without a result", answer(...called("c", { a: 1 }))],
  [
    "tool calls at once",
    answer(...called("c", {}), ...called("d", {}), returned("d", 2), returned("c", null)),
  ],
  [
    "a preliminary result",
    answer(...called("c", {}), returned("c", 1, { preliminary: true }), returned("c", 2)),
  ],
  [
    "a tool that fails",
    answer(...called("c", {}), { type: "tool-output-error", toolCallId: "c", errorText: "no" }),
  ],
  [
    "a tool call with input that can't be used",
    answer({ type: "tool-input-error", toolCallId: "c", toolName: "look", input: "{", errorText: "no JSON" }),
  ],
  [
    "a dynamic tool",
    answer({ ...called("c", 1).at(-1), dynamic: true }, returned("c", 1, { dynamic: true })),
  ],
  [
    "a tool that the provider runs",
    answer(
      { ...called("c", {}).at(-1), providerExecuted: true },
      returned("c", 1, { providerExecuted: true }),
    ),
  ],
  [
    "a tool call that needs approval",
    answer(...called("c", {}), { type: "tool-approval-request", approvalId: "p", toolCallId: "c" }),
  ],
  ["a result of 2 MB", answer(...called("c", {}), returned("c", { rows: ["r".repeat(2_000_000)] }))],
  ["a result of 200 levels", answer(...called("c", {}), returned("c", nested(200)))],
  ["input of 200 levels", answer(...called("c", nested(200)), returned("c", 1))],
  [
    "a generated picture of 1.5 MB",
    answer({ type: "file", mediaType: "image/png", url: picture(1_500_000) }),
  ],
  [
    "two pictures and a text between",
    answer({ type: "file", mediaType: "image/png", url: picture(1_200_000) }, ...text("t", "and"), {
      type: "file",
      mediaType: "image/png",
      url: picture(1_600_000),
    }),
  ],
  [
    "sources",
    answer(
      { type: "source-url", sourceId: "s", url: "https://example.org", title: "Example" },
      { type: "source-document", sourceId: "d", mediaType: "text/plain", title: "Notes", filename: "n.txt" },
    ),
  ],
  [
    "data of the application's own",
    answer({ type: "data-row", id: "r", data: { n: 1 } }, { type: "data-row", id: "r", data: { n: 2 } }),
  ],
  ["data that is transient", answer({ type: "data-note", data: "gone", transient: true }, ...text("t", "a"))],
  ["data of 100 levels and 2 MB", answer({ type: "data-row", data: [nested(100), "x".repeat(2_000_000)] })],
  [
    "metadata of the message",
    [
      { type: "start", messageId: "m", messageMetadata: { model: "x" } },
      ...text("t", "a"),
      { type: "message-metadata", messageMetadata: { tokens: 5 } },
      { type: "finish", messageMetadata: { cost: 0.1 } },
    ],
  ],
  [
    "several steps",
    [
      { type: "start", messageId: "m" },
      ...["1", "2", "3"].flatMap((id) => [{ type: "start-step" }, ...text(id, id), { type: "finish-step" }]),
      { type: "finish", finishReason: "length" },
    ],
  ],
  [
    "an error in the midst",
    [{ type: "start", messageId: "m" }, ...text("t", "a"), { type: "error", errorText: "out of words" }],
  ],
  ["an abort", [{ type: "start", messageId: "m" }, ...text("t", "a"), { type: "abort" }]],
  ["nothing", []],
  ["a part that nobody knows", answer(...text("t", "a"), { type: "no-such-part" })],
  ["a part with fields missing", answer(...text("t", "a"), { type: "text-delta", id: "t" })],
  ["a part with a field too many", answer({ type: "text-start", id: "t", more: 1 })],
  ["no object as a part", answer(...text("t", "a"), 5, null)],
  ["a delta of no text", answer({ type: "text-delta", id: "nobody", delta: "a" })],
  ["input with a key __proto__", answer(...called("c", proto), returned("c", 1))],
  ["a result with a key constructor.prototype", answer(...called("c", {}), returned("c", constructorProto))],
  [
    "a large result with a key __proto__",
    answer(...called("c", {}), returned("c", ["x".repeat(1_500_000), proto])),
  ],
  [
    "values that JSON changes",
    answer({ type: "data-row", data: { a: undefined, b: NaN, c: new Date(0), d: -0 } }),
  ],
];
