--[[
  Records in an open stream's record that it is to be stopped. The first wish stands.

  KEYS[1]  the stream's meta (HASH)      ARGV[1]  when it was wished, ms      ARGV[2]  why

  Returns the stream's status, nil where there is no record
]]
local meta_key = KEYS[1]
local wished_ms, reason = ARGV[1], ARGV[2]

local status, standing_ms = unpack(redis.call("HMGET", meta_key, "status", "cancel_ms"))
if status == "open" and not standing_ms then
  redis.call("HSET", meta_key, "cancel_ms", wished_ms, "cancel_reason", reason)
end
return status
