import { codeOf } from "./failure-code.ts";
import { SourceFailure } from "./source-failure.ts";

/** Words by which servers say that there is no reason yet. */
const NONE = /^(null|none|undefined|unspecified|finish_reason_unspecified|in_progress|queued)$/i;

/** Reason in any case, without punctuation. */
const OF_FAILURE =
  /^(.*error|error.*|failed|failure|abort(ed)?|cancel(l)?ed|insufficientsystemresource|malformed.*|unexpectedtoolcall|toomanytoolcalls|missingthoughtsignature|interrupted|overloaded.*|.*time(d)?out|unknown)$/;

/**
 * Rules 1 and 2: why an answer is over, in the provider's own words.
 * @returns null where nothing is said: empty text, null, "none"
 * @throws SourceFailure where the reason means that the answer failed
 */
export function readFinishReason(reason: unknown): string | null {
  if (typeof reason !== "string" || reason.trim() === "" || NONE.test(reason)) return null;
  const plain = reason.toLowerCase().replaceAll(/[^a-z]/g, "");
  if (!OF_FAILURE.test(plain)) return reason;
  const code = codeOf({ status: null, names: [plain], message: null });
  throw new SourceFailure(
    code,
    `the model's server ended the answer with the reason ${reason.slice(0, 100)}`,
    {
      said: reason,
      data: { status: null, type: reason.slice(0, 100) },
    },
  );
}
