/** Answers, and servers' ways to write them: what is legal, and what was seen that isn't. */

export type Part =
  | { kind: "text"; text: string }
  | { kind: "reasoning"; text: string }
  | { kind: "call"; name: string; args: Record<string, string> }
  | { kind: "citation"; url: string };

/** How one server writes. Each member is a choice that some server has made. */
export interface Habits {
  /** Characters of a piece; 1 splits surrogate pairs. */
  pieceLength: number;
  /** Form of a finish reason that isn't there yet. */
  noReason: "" | null | undefined;
  ids: "once" | "repeated" | "changing" | "none" | "empty" | "constant";
  indexes: "right" | "zero" | "absent";
  /** Form of the arguments: in pieces, as one text, or as the object itself. */
  args: "pieces" | "whole" | "object";
  /** Whether each piece of a call has its name; told apart only by ids. */
  repeatsName: boolean;
  content: "text" | "blocks" | "message";
  reasoning: "reasoning_content" | "reasoning" | "both" | "reasoning_details" | "blocks";
  keepAlive: string;
  newline: "\n" | "\r\n";
  usage: "last" | "none" | "each";
  done: "[DONE]" | " [DONE] " | null;
  /** Whether an API tells a part as a whole after its pieces, in place of them, or not at all. */
  wholes: "after" | "instead" | "none";
  places: "right" | "zero" | "absent";
}

export const piecesOf = (text: string, length: number): string[] =>
  Array.from({ length: Math.ceil(text.length / length) }, (_, at) =>
    text.slice(at * length, (at + 1) * length),
  );

const data = (value: unknown, { newline, keepAlive }: Habits): string =>
  `data: ${JSON.stringify(value)}${newline}${newline}${keepAlive}`;

/** Chat completions, by OpenAI and whoever calls itself compatible. */
export function chatEvents(parts: readonly Part[], reason: string, habits: Habits): string[] {
  const usage = { prompt_tokens: 3, completion_tokens: 4 };
  const chunk = (delta: object, finish: unknown = habits.noReason, member = "delta"): string =>
    data(
      {
        id: "c",
        model: "m",
        choices: [{ index: 0, [member]: delta, finish_reason: finish }],
        ...(habits.usage === "each" && { usage }),
      },
      habits,
    );
  const events: string[] = [chunk({ role: "assistant", content: "" })];
  const contentIn = habits.content === "message" ? "message" : "delta";
  let calls = 0;
  for (const part of parts) {
    if (part.kind === "text") {
      for (const piece of piecesOf(part.text, habits.pieceLength)) {
        const content = habits.content === "blocks" ? [{ type: "text", text: piece }] : piece;
        events.push(chunk({ content }, habits.noReason, contentIn));
      }
    } else if (part.kind === "reasoning") {
      for (const piece of piecesOf(part.text, habits.pieceLength)) events.push(chunk(thought(piece, habits)));
    } else if (part.kind === "citation") {
      events.push(chunk({ annotations: [{ type: "url_citation", url_citation: { url: part.url } }] }));
    } else events.push(...callPieces(part, calls++, habits).map((call) => chunk({ tool_calls: [call] })));
  }
  events.push(chunk({}, reason));
  if (habits.usage === "last") events.push(data({ choices: [], usage }, habits));
  if (habits.done !== null) events.push(`data: ${habits.done}${habits.newline}${habits.newline}`);
  return events;
}

function thought(text: string, { reasoning }: Habits): object {
  if (reasoning === "both") return { reasoning: text, reasoning_content: text };
  if (reasoning === "reasoning_details") return { reasoning_details: [{ type: "reasoning.text", text }] };
  if (reasoning === "blocks") return { content: [{ type: "thinking", thinking: [{ type: "text", text }] }] };
  return { [reasoning]: text, content: "" };
}

/** Pieces of one call as chat completions have them. */
export function callPieces(
  { name, args }: Extract<Part, { kind: "call" }>,
  number: number,
  habits: Habits,
): object[] {
  const json = JSON.stringify(args);
  const written: unknown[] =
    habits.args === "object" ? [args] : habits.args === "whole" ? [json] : ["", ...piecesOf(json, 4)];
  const idAt = (at: number): unknown => {
    if (habits.ids === "none") return undefined;
    if (habits.ids === "empty") return "";
    if (habits.ids === "constant") return "call";
    if (habits.ids === "changing") return `call_${number}_${at}`;
    return habits.ids === "repeated" || at === 0 ? `call_${number}` : undefined;
  };
  const index = habits.indexes === "absent" ? {} : { index: habits.indexes === "zero" ? 0 : number };
  // Without an id that stays, a name that comes again could be another call's.
  const repeatsName = habits.repeatsName && habits.ids === "repeated";
  return written.map((piece, at) => ({
    ...index,
    id: idAt(at),
    type: "function",
    function: { arguments: piece, ...((at === 0 || repeatsName) && { name }) },
  }));
}

/** Messages, by Anthropic and whoever calls itself compatible. */
export function anthropicEvents(parts: readonly Part[], reason: string, habits: Habits): string[] {
  const event = (value: { type: string; [member: string]: unknown }): string =>
    `event: ${value.type}${habits.newline}${data(value, habits)}`;
  const usage = habits.usage === "none" ? undefined : { input_tokens: 3, output_tokens: 4 };
  const events = [
    event({ type: "message_start", message: { model: "m", content: [], stop_reason: null, usage } }),
  ];
  for (const [number, part] of parts.entries()) {
    const index = habits.places === "absent" ? undefined : habits.places === "zero" ? 0 : number;
    const start = (block: object): string =>
      event({ type: "content_block_start", index, content_block: block });
    const delta = (value: object): string => event({ type: "content_block_delta", index, delta: value });
    if (part.kind === "text" || part.kind === "reasoning") {
      const [type, member] = part.kind === "text" ? ["text", "text"] : ["thinking", "thinking"];
      const inStart = habits.wholes === "instead";
      events.push(start({ type, [member]: inStart ? part.text : "" }));
      const pieces = inStart ? [] : piecesOf(part.text, habits.pieceLength);
      events.push(...pieces.map((piece) => delta({ type: `${type}_delta`, [member]: piece })));
    } else if (part.kind === "citation") {
      events.push(start({ type: "text", text: "" }));
      events.push(delta({ type: "citations_delta", citation: { url: part.url } }));
    } else {
      const input = habits.wholes === "none" ? {} : part.args;
      events.push(start({ type: "tool_use", id: `toolu_${number}`, name: part.name, input }));
      const pieces = habits.wholes === "instead" ? [] : piecesOf(JSON.stringify(part.args), 4);
      events.push(...pieces.map((piece) => delta({ type: "input_json_delta", partial_json: piece })));
    }
    events.push(event({ type: "content_block_stop", index }));
  }
  events.push(
    event({ type: "message_delta", delta: { stop_reason: reason }, usage: usage && { output_tokens: 4 } }),
  );
  if (habits.done !== null) events.push(event({ type: "message_stop" }));
  return events;
}

/** The Responses API, by OpenAI and whoever calls itself compatible. */
export function responsesEvents(parts: readonly Part[], habits: Habits): string[] {
  const event = (value: { type: string; [member: string]: unknown }): string =>
    `event: ${value.type}${habits.newline}${data(value, habits)}`;
  const events = [
    event({ type: "response.created", response: { model: "m", status: "in_progress", output: [] } }),
  ];
  const output: object[] = [];
  const streams = habits.wholes !== "instead";
  for (const [number, part] of parts.entries()) {
    const item = outputItem(part, number);
    output.push(item);
    let turn = 0;
    // Some encrypt their ids anew with each event.
    const id = (): string => (habits.ids === "changing" ? `item_${number}_${turn++}` : `item_${number}`);
    const place = () => ({ item_id: id(), output_index: number, content_index: 0, summary_index: 0 });
    events.push(
      event({
        type: "response.output_item.added",
        output_index: number,
        item: { ...item, id: id(), content: [], summary: [], arguments: "" },
      }),
    );
    if (part.kind === "call") {
      const type = "response.function_call_arguments";
      const json = JSON.stringify(part.args);
      const pieces = streams ? piecesOf(json, 4) : [];
      events.push(...pieces.map((delta) => event({ type: `${type}.delta`, ...place(), delta })));
      if (habits.wholes !== "none") events.push(event({ type: `${type}.done`, ...place(), arguments: json }));
    } else if (part.kind === "citation") {
      const annotation = { type: "url_citation", url: part.url };
      events.push(event({ type: "response.output_text.annotation.added", ...place(), annotation }));
    } else {
      const type = part.kind === "text" ? "response.output_text" : "response.reasoning_summary_text";
      const pieces = streams ? piecesOf(part.text, habits.pieceLength) : [];
      events.push(...pieces.map((delta) => event({ type: `${type}.delta`, ...place(), delta })));
      if (habits.wholes !== "none") events.push(event({ type: `${type}.done`, ...place(), text: part.text }));
    }
    events.push(
      event({ type: "response.output_item.done", output_index: number, item: { ...item, id: id() } }),
    );
  }
  const usage = habits.usage === "none" ? undefined : { input_tokens: 3, output_tokens: 4 };
  const response = { model: "m", status: "completed", usage, ...(habits.wholes !== "none" && { output }) };
  events.push(event({ type: "response.completed", response }));
  return events;
}

function outputItem(part: Part, number: number): object {
  const id = `item_${number}`;
  if (part.kind === "reasoning")
    return { type: "reasoning", id, summary: [{ type: "summary_text", text: part.text }] };
  if (part.kind === "call") {
    return {
      type: "function_call",
      id,
      call_id: `call_${number}`,
      name: part.name,
      arguments: JSON.stringify(part.args),
    };
  }
  const annotations = part.kind === "citation" ? [{ type: "url_citation", url: part.url }] : [];
  const text = part.kind === "text" ? part.text : "";
  return { type: "message", id, content: [{ type: "output_text", text, annotations }] };
}
