export { chunksKeyOf, createRedisProbe, metaKeyOf } from "../system/redis-probe.ts";
export { gaugeOf, startStack, type Stack, type StackOptions } from "../system/stack.ts";
