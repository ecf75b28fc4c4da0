export { RedisChunkCache, type RedisChunkCacheOptions } from "./redis-chunk-cache.ts";
export { createRedis, type RedisConnection, type RedisConnectionOptions } from "./redis-connection.ts";
export { RedisClientQuotas } from "./redis-client-quotas.ts";
export { RedisPartitionLeases } from "./redis-partition-leases.ts";
export { RedisRequestRecords } from "./redis-request-records.ts";
export { RedisSpace } from "./redis-space.ts";
