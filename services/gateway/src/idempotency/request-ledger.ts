import { createHash } from "node:crypto";
import { StreamError, type RequestRecords } from "@sluice/core";
import { HTTP_HEADERS } from "@sluice/protocol";
import type { Request } from "express";
import type { ClientBudget } from "../budget/client-budget.ts";
import { principalOf } from "../budget/principal.ts";

/** A request that carries an `Idempotency-Key`. */
export interface KeyedRequest {
  /** Key of its record: a hash of the method, the path and the key. */
  readonly key: string;
  /** Hash of everything that it asks for. A repeat has the same. */
  readonly fingerprint: string;
  /** The client whose quota its record counts for. */
  readonly principal: string;
  /** Prefix of its message ids in the log: only a repeat has the same. */
  readonly name: string;
}

/** A record's content: how the request is being done, or what was answered. */
export type Entry<Plan, Answer> = { plan: Plan } | { answer: Answer };

// Repeats come within seconds; whoever retries by hand, or from a queue, within a day.
const RECORD_TTL_MS = 25 * 3_600_000;
/** Bytes that an entry takes in Redis besides its text. Measured, rounded up. */
const ENTRY_BYTES = 300;
const KEY = /^[\x21-\x7e]{1,255}$/;

/**
 * Names a request by its key.
 * @param asked says what else than method and path makes the request: JSON that was checked before, since `JSON.stringify`
 * fails at what is nested too deep
 * @returns null where the request carries no key
 * @throws StreamError INVALID_REQUEST
 */
export function keyedRequest(request: Request, asked: () => unknown): KeyedRequest | null {
  const value = request.get(HTTP_HEADERS.idempotencyKey);
  if (value === undefined) return null;
  if (!KEY.test(value)) {
    throw new StreamError(
      "INVALID_REQUEST",
      `${HTTP_HEADERS.idempotencyKey} must be 1 to 255 visible ASCII characters`,
      { details: { field: HTTP_HEADERS.idempotencyKey } },
    );
  }
  const key = hash(`${request.method} ${request.path}\n${value}`);
  const fingerprint = hash(JSON.stringify(asked()));
  return { key, fingerprint, principal: principalOf(request), name: hash(key + fingerprint).slice(0, 32) };
}

/** The records of one kind of keyed requests. A step that finds the record changed was overtaken by a repeat: read again. */
export class RequestLedger<Plan, Answer> {
  readonly #records: RequestRecords;
  readonly #clients: ClientBudget;

  constructor(records: RequestRecords, clients: ClientBudget) {
    this.#records = records;
    this.#clients = clients;
  }

  /** Null: the request is new. @throws StreamError IDEMPOTENCY_KEY_REUSED, CACHE_UNAVAILABLE */
  async read(request: KeyedRequest): Promise<Entry<Plan, Answer> | null> {
    const text = await this.#records.read(request.key);
    if (text === null) return null;
    const { fingerprint, entry } = JSON.parse(text) as Record<Plan, Answer>;
    if (fingerprint === request.fingerprint) return entry;
    throw new StreamError(
      "IDEMPOTENCY_KEY_REUSED",
      `this ${HTTP_HEADERS.idempotencyKey} came with another request before: choose a new one`,
    );
  }

  /**
   * Puts an entry in the place of another one, or of none (null), which counts for the client's quota.
   * @returns false: another entry stands there
   * @throws StreamError CACHE_UNAVAILABLE; QUOTA_EXCEEDED for a first entry
   */
  async write(
    request: KeyedRequest,
    before: Entry<Plan, Answer> | null,
    after: Entry<Plan, Answer>,
    ttlMs = RECORD_TTL_MS,
  ): Promise<boolean> {
    const { key, fingerprint } = request;
    const encode = (entry: Entry<Plan, Answer>): string =>
      JSON.stringify({ fingerprint, entry } satisfies Record<Plan, Answer>);
    const [standing, next] = [before === null ? null : encode(before), encode(after)];
    if (standing === null) {
      const amount = { count: 1, bytes: ENTRY_BYTES + next.length };
      await this.#clients.take(request.principal, "keys", amount);
    } else if (next.length > standing.length) {
      const growth = { count: 0, bytes: next.length - standing.length };
      await this.#clients.correct(request.principal, "keys", growth);
    }
    return this.#records.replace(key, standing, next, ttlMs);
  }

  /** Remembers the answer where it can: without it a repeat finds out from the log. */
  async close(request: KeyedRequest, before: Entry<Plan, Answer>, answer: Answer): Promise<void> {
    await unlessAway(this.write(request, before, { answer }));
  }

  /** The request has failed, and counts as new when it comes again; where that can't be noted, as soon as the entry expires. */
  async forget(request: KeyedRequest, entry: Entry<Plan, Answer>): Promise<void> {
    await unlessAway(this.write(request, entry, entry, 1));
  }
}

interface Record<Plan, Answer> {
  fingerprint: string;
  entry: Entry<Plan, Answer>;
}

async function unlessAway(write: Promise<boolean>): Promise<void> {
  try {
    await write;
  } catch (error) {
    if (!(error instanceof StreamError)) throw error;
  }
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("base64url");
}
