import { isJump } from "@sluice/core";
import type { GapReason } from "@sluice/protocol";

/** Why a range isn't there: the numbers jumped where the log was another one, else it aged out. */
export function gapReason(from: number, to: number): GapReason {
  return isJump(to + 1) && !isJump(from) ? "new_era" : "expired";
}
