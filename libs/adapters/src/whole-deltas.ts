import { WholeText } from "@sluice/core";
import { isText, recordOf } from "./json-value.ts";

const MEMBERS = ["delta", "inputTextDelta"] as const;

/**
 * Rule 9, for text in objects that are sent as they are, such as the AI SDK's `text-delta`: half a character that ends one
 * goes on with the next of the same type and id.
 */
export class WholeDeltas {
  readonly #texts = new Map<string, WholeText>();

  /** @returns the item itself where there is nothing to hold together */
  take(item: unknown): unknown {
    const record = recordOf(item);
    const member = MEMBERS.find((name) => isText(record[name]));
    if (member === undefined) return item;
    const key = JSON.stringify([record["type"], record["id"], record["toolCallId"]]);
    const text = this.#texts.get(key) ?? new WholeText();
    const told = text.push(String(record[member]));
    // Only half a character is worth remembering.
    if (text.hasHalf) this.#texts.set(key, text);
    else this.#texts.delete(key);
    return told === record[member] ? item : { ...record, [member]: told };
  }
}
