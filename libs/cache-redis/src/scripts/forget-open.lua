--[[
  Takes a stream off the open ones, unless its record says that it is open.

  KEYS[1]  the partition's open streams (ZSET)      KEYS[2]  the stream's meta (HASH)      ARGV[1]  the stream's id
]]
local open_key, meta_key = KEYS[1], KEYS[2]
local stream_id = ARGV[1]

if redis.call("HGET", meta_key, "status") ~= "open" then
  redis.call("ZREM", open_key, stream_id)
end
