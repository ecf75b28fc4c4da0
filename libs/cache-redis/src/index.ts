export { RedisChunkCache, type RedisChunkCacheOptions } from "./redis-chunk-cache.ts";
export { createRedis, type RedisConnection, type RedisConnectionOptions } from "./redis-connection.ts";
export { RedisPartitionLeases } from "./redis-partition-leases.ts";
export { RedisRequestRecords } from "./redis-request-records.ts";
