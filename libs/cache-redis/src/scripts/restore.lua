--[[
  Lays one page of a stream that was read back from the log into the cache, and with the last page its record.

  KEYS[1]  the partition's checkpoint      KEYS[2]  the stream's chunks (ZSET)      KEYS[3]  its meta (HASH)
  KEYS[4]  the partition's open streams (ZSET, score: the last message's timestamp, ms)      KEYS[5]  its ended ones (the same)

  ARGV[1]  the page, JSON:
             stream_id
             chunk_ttl    seconds that the chunks live
             meta_ttl     seconds that the record lives
             unwritten_ttl  the same where nobody has written a chunk to the stream
             max_ended    most ended streams that are listed
             default_ttl  seconds that the stream's options ask for, or 0
             completion   on the last page only: snapshot (broker sequence), is_proven (0 or 1), sequence,
                          broker_sequence, status, chunk_count, byte_count, created_ms, updated_ms,
                          ended_ms or -1, options or "", beat_ms or 0, ends_unwritten (1 if its only chunk is
                          the end of a silent stream, else 0)
  ARGV[2n], [2n+1]  sequence and ZSET member of the n-th chunk, ascending

  Returns 1, or 0 with nothing written: there is no record, and the checkpoint is past the snapshot
]]
local checkpoint_key, chunks_key, meta_key, open_key, ended_key = unpack(KEYS)
local page = cjson.decode(ARGV[1])
local members, members_from = ARGV, 2

-- redis.call takes no more arguments than Lua's stack holds (8,000).
local MAX_ZADD_ARGUMENTS = 4000

local completion = page.completion
local format = string.format

local found = redis.call("HMGET", meta_key, "sequence", "broker_sequence", "status", "chunk_count", "byte_count",
  "chunk_ttl", "created_ms", "updated_ms", "ended_ms", "options")
local exists, status = found[1] ~= false, found[3] or "open"
local sequence = tonumber(found[1] or 0)

if completion and not exists then
  local checkpoint_json = redis.call("GET", checkpoint_key)
  if checkpoint_json and cjson.decode(checkpoint_json).broker_sequence > completion.snapshot then
    return 0
  end
end
-- A deleted stream keeps no chunks.
if status == "deleted" then
  return 1
end

-- Which of the page's chunks are missing: a sequence has one member, whoever wrote it first.
local function missing_members()
  local missing = {}
  if #members < members_from then
    return missing
  end
  local present = redis.call("ZCOUNT", chunks_key, members[members_from], members[#members - 1])
  for index = members_from, #members - 1, 2 do
    local sequence = members[index]
    if present == 0 or redis.call("ZCOUNT", chunks_key, sequence, sequence) == 0 then
      missing[#missing + 1] = sequence
      missing[#missing + 1] = members[index + 1]
    end
  end
  return missing
end

-- The fields that the completion changes in the record, as a list for HSET.
local function completed_fields()
  local fields = {}
  local function set(name, value)
    fields[#fields + 1] = name
    fields[#fields + 1] = type(value) == "number" and format("%.0f", value) or value
  end
  local function set_largest(name, standing, value)
    if not standing or tonumber(standing) < value then
      set(name, value)
    end
  end
  local is_ahead = not exists
    or ((completion.broker_sequence > tonumber(found[2]) or completion.updated_ms > tonumber(found[8]))
      and completion.sequence >= tonumber(found[1])
      and (status == "open" or completion.status == status or completion.status == "deleted"))
  if is_ahead then
    set("sequence", completion.sequence)
    set("broker_sequence", completion.broker_sequence)
    set("status", completion.status)
    set("beat_ms", completion.beat_ms)
    if completion.ended_ms >= 0 and not found[9] then
      set("ended_ms", completion.ended_ms)
    end
    status = completion.status
    sequence = completion.sequence
  end
  set_largest("chunk_count", found[4], completion.chunk_count)
  set_largest("byte_count", found[5], completion.byte_count)
  set_largest("chunk_ttl", found[6], page.chunk_ttl)
  set_largest("updated_ms", found[8], completion.updated_ms)
  if not found[7] or tonumber(found[7]) > completion.created_ms then
    set("created_ms", completion.created_ms)
  end
  if not found[10] and completion.options ~= "" then
    set("options", completion.options)
    set("default_ttl", page.default_ttl)
  end
  return fields
end

-- What is read for both comes before the first write: a key of another type fails while nothing is written.
local missing = missing_members()
local is_record_touched = completion and (not exists or completion.is_proven == 1)
local fields = is_record_touched and completed_fields() or {}

local function live_at_least(key, seconds)
  -- No GT: to EXPIRE a key without a time to live counts as one that never ends.
  if redis.call("PTTL", key) < seconds * 1000 then
    redis.call("EXPIRE", key, seconds)
  end
end

if #fields > 0 then
  redis.call("HSET", meta_key, unpack(fields))
end
if is_record_touched then
  local updated_ms = math.max(tonumber(found[8] or 0), completion.updated_ms)
  if status == "open" then
    redis.call("ZADD", open_key, format("%.0f", updated_ms), page.stream_id)
  else
    redis.call("ZREM", open_key, page.stream_id)
    -- As append.lua lists it.
    redis.call("ZADD", ended_key, format("%.0f", updated_ms), page.stream_id)
    local newest = redis.call("ZREVRANGE", ended_key, 0, 0, "WITHSCORES")
    redis.call("ZREMRANGEBYSCORE", ended_key, "-inf", format("(%.0f", tonumber(newest[2]) - page.meta_ttl * 1000))
    redis.call("ZREMRANGEBYRANK", ended_key, 0, -page.max_ended - 1)
    live_at_least(ended_key, page.meta_ttl)
  end
  local is_unwritten = sequence == 0 or (completion.ends_unwritten == 1 and sequence == completion.sequence)
  live_at_least(meta_key, is_unwritten and page.unwritten_ttl or math.max(page.meta_ttl, page.chunk_ttl))
end
if status == "deleted" then
  redis.call("UNLINK", chunks_key)
  return 1
end
for from = 1, #missing, MAX_ZADD_ARGUMENTS do
  redis.call("ZADD", chunks_key, unpack(missing, from, math.min(from + MAX_ZADD_ARGUMENTS - 1, #missing)))
end
if #members >= members_from then
  live_at_least(chunks_key, page.chunk_ttl)
end
return 1
