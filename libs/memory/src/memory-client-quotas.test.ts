import { clientQuotasContract } from "@sluice/testing";
import { MemoryClientQuotas } from "./memory-client-quotas.ts";

clientQuotasContract("MemoryClientQuotas", async () => {
  let nowMs = 1_000_000;
  return {
    quotas: new MemoryClientQuotas(() => nowMs),
    elapse: async (ms) => {
      nowMs += ms;
    },
    [Symbol.asyncDispose]: async () => {},
  };
});
