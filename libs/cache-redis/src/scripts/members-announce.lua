--[[
  Makes a member known until its time is over, and forgets those whose time was.

  KEYS[1]  the members (ZSET, score: when a member's time is over, ms)
  ARGV[1]  the member      ARGV[2]  now by the server's clock, ms      ARGV[3]  time to live, ms

  Returns all members known now
]]
local members_key = KEYS[1]
local member, now_ms, ttl_ms = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])

redis.call("ZADD", members_key, string.format("%.0f", now_ms + ttl_ms), member)
redis.call("ZREMRANGEBYSCORE", members_key, "-inf", string.format("%.0f", now_ms))
return redis.call("ZRANGE", members_key, 0, -1)
