--[[
  A page of each of a partition's lists of streams, newest message first; of those with the same timestamp the last id first.

  KEYS[1]  the open streams (ZSET, score: the last message's timestamp, ms)      KEYS[2]  the ended ones (the same)

  ARGV[1]  "open" or "ended": only this list; "": both      ARGV[2]  what the ids begin with
  ARGV[3]  where the page before ended: an id, or ""      ARGV[4]  its score then
  ARGV[5]  most streams of a list      ARGV[6]  most ids of a list to look at

  Returns per list { id, score, id, score, … }: first the last one that was looked at, with an empty id where there are no
  more, then those that were found
]]
local open_key, ended_key = KEYS[1], KEYS[2]
local wanted_list, prefix, after_id, after_score = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
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

-- The page before may have ended in the other list, or with a stream that has moved since: then those of its score come
-- again, and were told already as far as they are not before it.
local function was_told(id, score)
  return score == after_score and after_id ~= "" and not is_id_before(id, after_id)
end

local function first_rank(key)
  if after_id == "" then
    return 0
  end
  if redis.call("ZSCORE", key, after_id) == after_score then
    return redis.call("ZREVRANK", key, after_id) + 1
  end
  return redis.call("ZCOUNT", key, "(" .. after_score, "+inf")
end

local function read_list(key)
  local page, found, looked_at = { "", "0" }, 0, 0
  local rank = first_rank(key)
  local last_rank = redis.call("ZCARD", key) - 1
  while rank <= last_rank do
    local slice = redis.call("ZREVRANGE", key, rank, rank + SLICE_IDS - 1, "WITHSCORES")
    for at = 1, #slice, 2 do
      local id, score = slice[at], slice[at + 1]
      if not was_told(id, score) then
        looked_at = looked_at + 1
        if string.sub(id, 1, #prefix) == prefix then
          found = found + 1
          page[2 * found + 1], page[2 * found + 2] = id, score
        end
        if found == limit or looked_at == max_looked_at then
          if rank < last_rank then
            page[1], page[2] = id, score
          end
          return page
        end
      end
      rank = rank + 1
    end
  end
  return page
end

return {
  wanted_list == "ended" and { "", "0" } or read_list(open_key),
  wanted_list == "open" and { "", "0" } or read_list(ended_key),
}
