--[[
  A page of a partition's streams, newest message first; of those with the same timestamp the last id first.

  KEYS[1]  the open streams (ZSET, score: the last message's timestamp, ms)      KEYS[2]  the ended ones (the same)

  ARGV[1]  "open", "ended", or "" for both      ARGV[2]  what the ids begin with
  ARGV[3]  where the page before ended: an id, or ""      ARGV[4]  its score then
  ARGV[5]  most streams      ARGV[6]  most ids to look at

  Returns { id, score, id, score, … }: first where this page ends, with an empty id where there is no more, then the streams
]]
local open_key, ended_key = KEYS[1], KEYS[2]
local wanted_list, prefix, after_id, after_score = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local limit, max_looked_at = tonumber(ARGV[5]), tonumber(ARGV[6])

local SLICE_IDS = 128

-- Byte by byte, as a ZSET has them: `<` goes by the language that the server was started in.
local function is_id_before(left, right)
  for index = 1, math.min(#left, #right) do
    local a, b = string.byte(left, index), string.byte(right, index)
    if a ~= b then
      return a < b
    end
  end
  return #left < #right
end

local function is_newer(id, score, than_id, than_score)
  return score > than_score or (score == than_score and is_id_before(than_id, id))
end

-- One list, read in slices from behind the page before; `id` is nil at its end.
local function read_list(key)
  local list = { rank = 0, slice = {}, at = -1 }
  if after_id ~= "" then
    list.rank = redis.call("ZCOUNT", key, "(" .. ARGV[4], "+inf")
    local score = redis.call("ZSCORE", key, after_id)
    if score and tonumber(score) == after_score then
      list.rank = redis.call("ZREVRANK", key, after_id) + 1
    end
  end

  function list.step()
    repeat
      list.at = list.at + 2
      if list.at > #list.slice then
        list.slice = redis.call("ZREVRANGE", key, list.rank, list.rank + SLICE_IDS - 1, "WITHSCORES")
        list.rank = list.rank + SLICE_IDS
        list.at = 1
      end
      list.id, list.score = list.slice[list.at], tonumber(list.slice[list.at + 1])
    until not list.id or after_id == "" or is_newer(after_id, after_score, list.id, list.score)
  end

  list.step()
  return list
end

local open_streams = wanted_list ~= "ended" and read_list(open_key) or {}
local ended_streams = wanted_list ~= "open" and read_list(ended_key) or {}

local function newest_list()
  local open, ended = open_streams, ended_streams
  if not (open.id and ended.id) then
    return open.id and open or ended
  end
  return is_newer(open.id, open.score, ended.id, ended.score) and open or ended
end

local page, found, looked_at = { "", "0" }, 0, 0
local list = newest_list()
while list.id and found < limit and looked_at < max_looked_at do
  page[1], page[2] = list.id, string.format("%.0f", list.score)
  looked_at = looked_at + 1
  if string.sub(list.id, 1, #prefix) == prefix then
    found = found + 1
    page[2 * found + 1], page[2 * found + 2] = page[1], page[2]
  end
  list.step()
  list = newest_list()
end
if not list.id then
  page[1], page[2] = "", "0"
end
return page
