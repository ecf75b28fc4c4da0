--[[
  The chunks of a stream after a cursor, its head and its status, as of one instant.
  Reading lengthens the chunks' life when less than half of it is left.

  KEYS[1]  the stream's chunks (ZSET)      KEYS[2]  its meta (HASH)

  ARGV[1]  the cursor      ARGV[2]  most chunks      ARGV[3]  most bytes of chunk JSON

  Returns nil where there is no record, else { head, status, member, member, … }
]]
local chunks_key, meta_key = KEYS[1], KEYS[2]
local cursor, max_chunks, max_bytes = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])

-- Chunks are taken from the ZSET in slices, since their size isn't known before: more would be read in vain where
-- they are large.
local SLICE_CHUNKS = 64

local head, status, chunk_ttl = unpack(redis.call("HMGET", meta_key, "sequence", "status", "chunk_ttl"))
if not head then
  return false
end

local page = { head, status }
local count, bytes = 0, 0

-- Adds members up to the bounds; false where the page is full.
local function add(members)
  for _, member in ipairs(members) do
    local size = #member - string.find(member, ":", 1, true)
    if count > 0 and bytes + size > max_bytes then
      return false
    end
    count = count + 1
    bytes = bytes + size
    page[count + 2] = member
  end
  return count < max_chunks
end

local after = cursor
repeat
  local wanted = math.min(SLICE_CHUNKS, max_chunks - count)
  local members = redis.call("ZRANGEBYSCORE", chunks_key, "(" .. after, head, "LIMIT", 0, wanted)
  local has_room = add(members)
  local last = members[#members]
  after = last and string.sub(last, 1, string.find(last, ":", 1, true) - 1)
until not has_room or #members < wanted

local ttl_ms = tonumber(chunk_ttl or 0) * 1000
local left_ms = redis.call("PTTL", chunks_key)
if left_ms >= 0 and left_ms < ttl_ms / 2 then
  redis.call("PEXPIRE", chunks_key, ttl_ms)
end
return page
