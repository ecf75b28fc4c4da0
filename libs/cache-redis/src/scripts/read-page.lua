--[[
  The chunks of a stream after a cursor, its head and its status, as of one instant. Writes nothing.

  KEYS[1]  the stream's chunks (ZSET)      KEYS[2]  its meta (HASH)

  ARGV[1]  the cursor      ARGV[2]  most chunks, 0: none is read      ARGV[3]  most bytes of chunk JSON

  Returns nil where there is no record, else { head, status, options, life, member, member, … }. `options`: as they were
  given, or nil. `life`: how long the chunks are to live from now on, ms, where less than half of that is left; else 0.
]]
local chunks_key, meta_key = KEYS[1], KEYS[2]
local cursor, max_chunks, max_bytes = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])

local head, status, options, chunk_ttl =
  unpack(redis.call("HMGET", meta_key, "sequence", "status", "options", "chunk_ttl"))
if not head then
  return false
end

local life_ms = tonumber(chunk_ttl or 0) * 1000
local left_ms = redis.call("PTTL", chunks_key)
local page = { head, status, options, left_ms >= 0 and left_ms < life_ms / 2 and life_ms or 0 }

-- Nobody knows a member's size before it is taken out, and one may have a megabyte: taken one by one, at most one of them
-- is taken in vain. A slice of many costs half as much where all are small, and hundreds of milliseconds where they are not.
local count, bytes, after = 0, 0, cursor
while count < max_chunks do
  local member = redis.call("ZRANGEBYSCORE", chunks_key, "(" .. after, head, "LIMIT", 0, 1)[1]
  if not member then
    break
  end
  local colon = string.find(member, ":", 1, true)
  bytes = bytes + #member - colon
  if count > 0 and bytes > max_bytes then
    break
  end
  count = count + 1
  page[count + 4] = member
  if bytes >= max_bytes then
    break
  end
  after = string.sub(member, 1, colon - 1)
end
return page
