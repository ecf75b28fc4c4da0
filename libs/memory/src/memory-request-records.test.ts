import { MemoryRequestRecords } from "./memory-request-records.ts";
import { requestRecordsContract } from "@sluice/testing";

requestRecordsContract("MemoryRequestRecords", async () => {
  let nowMs = 0;
  return {
    records: new MemoryRequestRecords(() => nowMs),
    elapse: async (ms) => {
      nowMs += ms;
    },
    [Symbol.asyncDispose]: async () => {},
  };
});
