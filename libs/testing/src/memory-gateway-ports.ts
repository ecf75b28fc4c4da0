import { CONTROL_OPERATIONS, GATEWAY_OPERATIONS, openApiDocument } from "@sluice/protocol";
import { DescribedAnswers } from "./described-answers.ts";
import { MemoryCancelFeed } from "./memory-cancel-feed.ts";
import { MemoryLog } from "./memory-log.ts";
import { MemoryPromptDesk } from "./memory-prompt-desk.ts";
import { MemoryRequestRecords } from "./memory-request-records.ts";
import { MemoryStreamLog } from "./memory-stream-log.ts";

const answers = new DescribedAnswers(
  openApiDocument("gateway", [...GATEWAY_OPERATIONS, ...CONTROL_OPERATIONS]),
);

/** All that a gateway stands on, in memory, and what its answers are held against. */
export function memoryGatewayPorts() {
  const memory = new MemoryLog();
  return {
    memory,
    log: new MemoryStreamLog(memory),
    promptDesk: new MemoryPromptDesk(),
    cancelFeed: new MemoryCancelFeed(),
    records: new MemoryRequestRecords(),
    answers,
  };
}
