import { CONTROL_OPERATIONS, GATEWAY_OPERATIONS, openApiDocument } from "@sluice/protocol";
import { DescribedAnswers } from "./described-answers.ts";
import {
  MemoryCancelFeed,
  MemoryClientQuotas,
  MemoryLog,
  MemoryPromptQueue,
  MemoryRequestRecords,
  MemoryStreamLog,
} from "@sluice/memory";

const answers = new DescribedAnswers(
  openApiDocument("gateway", [...GATEWAY_OPERATIONS, ...CONTROL_OPERATIONS]),
);

/** All that a gateway stands on, in memory, and what its answers are held against. */
export function memoryGatewayPorts() {
  const memory = new MemoryLog();
  return {
    memory,
    log: new MemoryStreamLog(memory),
    promptQueue: new MemoryPromptQueue(),
    cancelFeed: new MemoryCancelFeed(),
    records: new MemoryRequestRecords(),
    quotas: new MemoryClientQuotas(),
    answers,
  };
}
