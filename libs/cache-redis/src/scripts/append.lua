--[[
  Numbers one batch of a partition's messages and writes chunks, heads and checkpoint: all of it or nothing.
  The numbering is `numberEntry` of libs/core/src/sequencing.ts; a property test holds the two together.

  KEYS[1]         the partition's checkpoint
  KEYS[2n], [2n+1]  chunks (ZSET) and meta (HASH) of the n-th stream of the plan
  KEYS[#KEYS - 1]  the partition's open streams (ZSET, score: the last message's timestamp, ms)
  KEYS[#KEYS]     its ended streams (the same)

  ARGV[1]   the plan, JSON:
              read_after      broker sequence after which the caller has read everything
              default_ttl     seconds that chunks live where neither they nor their stream say otherwise
              meta_ttl        seconds that a stream's record lives
              unwritten_ttl   the same while nobody has written a chunk to the stream
              max_ended       most ended streams that are listed
              json_infix      what stands between a chunk's sequence and its body
              ids             per stream: its id
              divergences     of the log, ascending: { broker sequence after which, lost until, resumes at }
              streams         per stream: what its chunks' JSON begins with, up to the sequence
              entries         per message, in log order:
                { stream (from 1), broker sequence, timestamp, first sequence or 0 where the message proves none,
                  elements up to the first terminal one, status after them ("" where they don't end the stream),
                  longest TTL that its elements ask for or 0, 1 if some element asks for none,
                  the stream's options or "", the TTL they ask for or 0, how often the producer beats (ms) or 0,
                  1 if it is nothing but the end of a silent stream, else 0 }
              A tombstone is an entry with the status "deleted".
  ARGV[2]   the checkpoint after the batch, JSON
  ARGV[3…]  bodies of all elements, in order; empty: a rejected one's placeholder

  Returns { "applied", outcomes }, the outcomes being one text, since a reply costs its reader by the element: per
          message first, count, status, 1 if it was applied before or 0, the stream's chunk count, byte count and time
          of creation, all parted by blanks; or with nothing written
          { "rewind", checkpoint or nil } or { "unproven", number of a stream, … }
]]
local checkpoint_key = KEYS[1]
local open_key, ended_key = KEYS[#KEYS - 1], KEYS[#KEYS]
local plan = cjson.decode(ARGV[1])
local checkpoint_json = ARGV[2]
local bodies, body_offset = ARGV, 2

-- redis.call takes no more arguments than Lua's stack holds (8,000).
local MAX_ZADD_ARGUMENTS = 4000

local read_after, default_ttl, infix = plan.read_after, plan.default_ttl, plan.json_infix
local meta_ttl, unwritten_ttl = plan.meta_ttl, plan.unwritten_ttl
local divergences = plan.divergences
local format = string.format

-- Where a number changes its meaning: see `numberEntry`.
local MAX_ELEMENTS_PER_MESSAGE = 1024

local function is_across_divergence(after, up_to)
  for _, divergence in ipairs(divergences) do
    if after <= divergence[1] and divergence[1] < up_to then
      return true
    end
  end
  return false
end

-- The position that jumps are made of: the broker sequence, made unique over all eras.
local function position_of(broker_sequence)
  for index = #divergences, 1, -1 do
    local divergence = divergences[index]
    if divergence[1] < broker_sequence then
      return divergence[3] + (broker_sequence - divergence[1] - 1)
    end
  end
  return broker_sequence
end

-- A record may stand on a message that the log has lost: it then stands at the divergence.
local function realigned(broker_sequence, updated_ms)
  for _, divergence in ipairs(divergences) do
    if updated_ms <= divergence[2] then
      broker_sequence = math.min(broker_sequence, divergence[1])
    end
  end
  return broker_sequence
end

local standing_json = redis.call("GET", checkpoint_key)
if not standing_json then
  return { "rewind", false }
end
local standing = cjson.decode(standing_json)
local checkpoint = cjson.decode(checkpoint_json)
if standing.log_created_ms ~= checkpoint.log_created_ms or standing.broker_sequence < read_after then
  return { "rewind", standing_json }
end

local function load_stream(number)
  local record = redis.call("HMGET", KEYS[2 * number + 1], "sequence", "broker_sequence", "status", "chunk_count",
    "byte_count", "chunk_ttl", "default_ttl", "options", "updated_ms", "created_ms", "beat_ms")
  return {
    exists = record[1] ~= false,
    sequence = tonumber(record[1] or 0),
    broker_sequence = realigned(tonumber(record[2] or 0), tonumber(record[9] or 0)),
    status = record[3] or "open",
    chunk_count = tonumber(record[4] or 0),
    byte_count = tonumber(record[5] or 0),
    chunk_ttl = tonumber(record[6] or 0),
    default_ttl = tonumber(record[7] or 0),
    has_options = record[8] ~= false,
    standing_created_ms = tonumber(record[10] or 0),
    standing_beat_ms = tonumber(record[11] or 0),
    -- ZADD arguments of the chunks to write, and the ranges of sequences that they cover.
    members = {},
    member_count = 0,
    ranges = {},
    ttl = 0,
  }
end

local streams = {}
local unproven = { "unproven" }
local outcomes = {}

local function report(stream, first, count, is_duplicate)
  outcomes[#outcomes + 1] = format("%.0f %.0f %s %d %.0f %.0f %.0f", first, count, stream.status,
    is_duplicate and 1 or 0, stream.chunk_count, stream.byte_count, stream.created_ms or stream.standing_created_ms)
end

local function take_chunks(stream, prefix, first, count)
  local members, n = stream.members, stream.member_count
  local bytes, written = 0, 0
  for index = 0, count - 1 do
    local sequence = format("%.0f", first + index)
    local body = bodies[body_offset + 1 + index]
    members[n + 1] = sequence
    if body == "" then
      members[n + 2] = sequence .. ":"
    else
      local member = sequence .. ":" .. prefix .. sequence .. infix .. body
      members[n + 2] = member
      bytes = bytes + #member - #sequence - 1
      written = written + 1
    end
    n = n + 2
  end
  stream.member_count = n
  stream.chunk_count = stream.chunk_count + written
  stream.byte_count = stream.byte_count + bytes
  local range = stream.ranges[#stream.ranges]
  if range and range.last == first - 1 then
    range.last = first + count - 1
  else
    stream.ranges[#stream.ranges + 1] = { first = first, last = first + count - 1 }
  end
end

local function take_options(stream, options, options_ttl)
  if options == "" or stream.has_options then
    return
  end
  stream.has_options = true
  stream.new_options = options
  stream.default_ttl = options_ttl
end

local function take_entry(stream, prefix, entry)
  local broker_sequence, timestamp_ms, proven_first = entry[2], entry[3], entry[4]
  local count, end_status, longest_ttl, has_default = entry[5], entry[6], entry[7], entry[8] == 1
  local is_tombstone = end_status == "deleted"

  stream.is_changed = true
  if stream.exists and is_across_divergence(stream.broker_sequence, broker_sequence) then
    proven_first = position_of(broker_sequence) * MAX_ELEMENTS_PER_MESSAGE
  end
  stream.broker_sequence = broker_sequence
  if stream.status ~= "open" and not (is_tombstone and stream.status ~= "deleted") then
    report(stream, stream.sequence + 1, 0, false)
    return
  end

  stream.created_ms = stream.created_ms or (not stream.exists and timestamp_ms) or nil
  stream.exists = true
  stream.updated_ms = timestamp_ms
  stream.beat_ms = entry[11]
  take_options(stream, entry[9], entry[10])
  local first = math.max(stream.sequence + 1, proven_first)
  stream.ends_unwritten = entry[12] == 1 and first == 1
  if is_tombstone then
    stream.sequence = first
    stream.is_deleted_now = true
    count = 1
  else
    stream.sequence = first + count - 1
    if count > 0 then
      take_chunks(stream, prefix, first, count)
      local own_ttl = stream.default_ttl > 0 and stream.default_ttl or default_ttl
      stream.ttl = math.max(stream.ttl, longest_ttl, has_default and own_ttl or 0)
    end
  end
  if end_status ~= "" then
    if stream.status == "open" then
      stream.ended_ms = timestamp_ms
    end
    stream.status = end_status
  end
  report(stream, first, count, false)
end

for _, entry in ipairs(plan.entries) do
  local number, broker_sequence = entry[1], entry[2]
  local stream = streams[number]
  if not stream then
    stream = load_stream(number)
    streams[number] = stream
  end
  if broker_sequence <= standing.broker_sequence or (stream.exists and broker_sequence <= stream.broker_sequence) then
    report(stream, stream.sequence + 1, 0, true)
  elseif not stream.exists and (entry[4] == 0 or (entry[4] > 1 and is_across_divergence(0, broker_sequence))) then
    if not stream.is_unproven then
      stream.is_unproven = true
      unproven[#unproven + 1] = number
    end
  else
    take_entry(stream, plan.streams[number], entry)
  end
  body_offset = body_offset + entry[5]
end

if #unproven > 1 then
  return unproven
end

-- The last look before the first write: a key of another type fails here, while nothing is written.
for number, stream in pairs(streams) do
  local first_range = stream.ranges[1]
  if first_range then
    stream.has_chunks_above = redis.call("ZCOUNT", KEYS[2 * number], format("%.0f", first_range.first), "+inf") > 0
  end
end

local function live_at_least(key, seconds)
  -- No GT: to EXPIRE a key without a time to live counts as one that never ends.
  if redis.call("PTTL", key) < seconds * 1000 then
    redis.call("EXPIRE", key, seconds)
  end
end

local function write_chunks(key, stream)
  -- A rebuild may have laid chunks above the head, made by another version of the software: one member a sequence.
  if stream.has_chunks_above then
    for _, range in ipairs(stream.ranges) do
      redis.call("ZREMRANGEBYSCORE", key, format("%.0f", range.first), format("%.0f", range.last))
    end
  end
  local members, n = stream.members, stream.member_count
  for from = 1, n, MAX_ZADD_ARGUMENTS do
    redis.call("ZADD", key, unpack(members, from, math.min(from + MAX_ZADD_ARGUMENTS - 1, n)))
  end
end

-- Whoever creates streams that nobody writes to can't fill the cache with their records: those live for minutes.
local function record_ttl(stream)
  local is_unwritten = stream.sequence == 0 or stream.ends_unwritten
  return is_unwritten and unwritten_ttl or math.max(meta_ttl, stream.chunk_ttl)
end

local function write_record(key, stream)
  local fields = {
    "sequence", format("%.0f", stream.sequence),
    "broker_sequence", format("%.0f", stream.broker_sequence),
    "status", stream.status,
    "chunk_count", format("%.0f", stream.chunk_count),
    "byte_count", format("%.0f", stream.byte_count),
    "chunk_ttl", format("%.0f", stream.chunk_ttl),
  }
  local function add(name, value)
    if value then
      fields[#fields + 1] = name
      fields[#fields + 1] = type(value) == "number" and format("%.0f", value) or value
    end
  end
  add("created_ms", stream.created_ms)
  add("updated_ms", stream.updated_ms)
  add("ended_ms", stream.ended_ms)
  add("beat_ms", stream.beat_ms ~= stream.standing_beat_ms and stream.beat_ms)
  add("options", stream.new_options)
  add("default_ttl", stream.new_options and stream.default_ttl)
  redis.call("HSET", key, unpack(fields))
end

-- As many as the bound allows, and none whose record is gone: by the log's clock, since a script has none.
local function list_ended(ended_now)
  redis.call("ZADD", ended_key, unpack(ended_now))
  local newest = redis.call("ZREVRANGE", ended_key, 0, 0, "WITHSCORES")
  redis.call("ZREMRANGEBYSCORE", ended_key, "-inf", format("(%.0f", tonumber(newest[2]) - meta_ttl * 1000))
  redis.call("ZREMRANGEBYRANK", ended_key, 0, -plan.max_ended - 1)
  live_at_least(ended_key, meta_ttl)
end

local opened, ended, ended_now = {}, {}, {}
for number, stream in pairs(streams) do
  if stream.is_changed then
    if stream.status == "open" then
      opened[#opened + 1] = format("%.0f", stream.updated_ms)
      opened[#opened + 1] = plan.ids[number]
    else
      ended[#ended + 1] = plan.ids[number]
      -- Not what came after the end: that changes neither the record nor its place.
      if stream.updated_ms then
        ended_now[#ended_now + 1] = format("%.0f", stream.updated_ms)
        ended_now[#ended_now + 1] = plan.ids[number]
      end
    end
    local chunks_key, meta_key = KEYS[2 * number], KEYS[2 * number + 1]
    stream.chunk_ttl = math.max(stream.chunk_ttl, stream.ttl)
    write_record(meta_key, stream)
    -- Not for what came after the end, which would lengthen a short life.
    if stream.updated_ms then
      live_at_least(meta_key, record_ttl(stream))
    end
    if stream.is_deleted_now then
      redis.call("UNLINK", chunks_key)
    elseif stream.member_count > 0 then
      write_chunks(chunks_key, stream)
      live_at_least(chunks_key, stream.ttl)
    end
  end
end

-- A batch has fewer streams than redis.call takes arguments for.
if #opened > 0 then
  redis.call("ZADD", open_key, unpack(opened))
end
if #ended > 0 then
  redis.call("ZREM", open_key, unpack(ended))
end
if #ended_now > 0 then
  list_ended(ended_now)
end
if checkpoint.broker_sequence > standing.broker_sequence then
  redis.call("SET", checkpoint_key, checkpoint_json)
end
return { "applied", table.concat(outcomes, " ") }
