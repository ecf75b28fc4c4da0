import { isText } from "./json-value.ts";
import { SourceFailure } from "./source-failure.ts";

/** Fields of a chat completion's request that change nothing of what is answered. */
const OPTIONAL_FIELDS = [
  "stream_options",
  "store",
  "metadata",
  "user",
  "service_tier",
  "safety_identifier",
  "prompt_cache_key",
  "prompt_cache_retention",
  "parallel_tool_calls",
];

// Servers are few; without this bound addresses that are made up fill the heap.
const MAX_SERVERS = 1_000;

/** Refused fields of each server, by its address, for the life of this process. */
const refusedBy = new Map<string, Set<string>>();

/** Where servers refuse a request for its fields. */
const STATUSES_OF_FIELDS = new Set([400, 403, 404, 405, 409, 415, 422, 500, 501]);

/** Words for a field that isn't known, where the server doesn't name it. */
const OF_A_FIELD =
  /(extra|unknown|unrecogni[sz]ed|unsupported|unexpected|invalid|additional|not (permitted|supported|allowed|recogni[sz]ed|implemented)).*(field|param|propert|argument|input|option|key|body|request)|(field|param|propert|argument|input|option|key)s?.*(extra|unknown|unrecogni[sz]ed|unsupported|unexpected|not (permitted|supported|allowed|recogni[sz]ed|implemented))/is;

/** The names in a list that commas separate. */
export function fieldsIn(list: string): string[] {
  return list
    .split(",")
    .map((field) => field.trim())
    .filter(isText);
}

/** Chooses the optional fields that one server is sent. */
export class OptionalFields {
  readonly #optional: readonly string[];
  readonly #omitted: ReadonlySet<string>;
  readonly #refused: Set<string>;

  constructor(server: {
    baseUrl: string;
    omittedFields?: readonly string[];
    optionalFields?: readonly string[];
  }) {
    this.#optional = server.optionalFields ?? OPTIONAL_FIELDS;
    this.#omitted = new Set(server.omittedFields);
    this.#refused = refusedFieldsOf(server.baseUrl);
  }

  /** The request as this server takes it, as far as that is known. */
  without(request: Record<string, unknown>): Record<string, unknown> {
    const isSent = (field: string): boolean => !this.#omitted.has(field) && !this.#refused.has(field);
    return Object.fromEntries(Object.entries(request).filter(([field]) => isSent(field)));
  }

  /**
   * Whether the server refuses the request for optional fields, so that it is worth being asked without them. Remembers
   * them. Those that it names, or all where it says of none in particular that it doesn't know it, or says nothing.
   */
  areRefused(failure: unknown, request: object): boolean {
    if (!(failure instanceof SourceFailure)) return false;
    const status = (failure.data as { status?: unknown } | null)?.status;
    if (typeof status === "number" && !STATUSES_OF_FIELDS.has(status)) return false;
    const sent = this.#optional.filter((field) => field in request);
    const words = failure.serverSaid ?? "";
    const named = sent.filter((field) => namesField(words, field));
    const isVague = typeof status === "number" && status < 500 && [400, 422].includes(status);
    const isOfFields = OF_A_FIELD.test(words) || (isVague && !isText(words.trim()));
    const refused = named.length > 0 ? named : isOfFields ? sent : [];
    for (const field of refused) this.#refused.add(field);
    return refused.length > 0;
  }
}

/** Also by a member of it, as `stream_options.include_usage` is named. */
function namesField(words: string, field: string): boolean {
  if (field === "stream_options" && /include_usage|stream[ _-]?options/i.test(words)) return true;
  return new RegExp(`(?<![\\w-])${field.replaceAll(/[^\w]/g, ".")}(?![\\w-])`).test(words);
}

function refusedFieldsOf(address: string): Set<string> {
  let fields = refusedBy.get(address);
  if (fields === undefined) {
    const [oldest] = refusedBy.keys();
    if (refusedBy.size >= MAX_SERVERS && oldest !== undefined) refusedBy.delete(oldest);
    refusedBy.set(address, (fields = new Set()));
  }
  return fields;
}
