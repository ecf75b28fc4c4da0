--[[
  A page of a partition's open streams, longest silent first.

  KEYS[1]  the open streams (ZSET, score: the last message's timestamp, ms)

  ARGV[1]  id of the last one of the page before, or ""      ARGV[2]  its score then      ARGV[3]  most streams

  Returns { id, score, id, score, … }
]]
local open_key = KEYS[1]
local after_id, after_score, limit = ARGV[1], ARGV[2], tonumber(ARGV[3])

local start = 0
if after_id ~= "" then
  local score = redis.call("ZSCORE", open_key, after_id)
  if score and tonumber(score) == tonumber(after_score) then
    start = redis.call("ZRANK", open_key, after_id) + 1
  else
    -- It has moved: those of its old score come again, rather than that one of them is left out.
    start = redis.call("ZCOUNT", open_key, "-inf", "(" .. after_score)
  end
end
return redis.call("ZRANGE", open_key, start, start + limit - 1, "WITHSCORES")
