--[[
  Takes an amount from a client's account, which refills evenly.

  KEYS[1]  the account (HASH: count and bytes that are used, at_ms: as of when)

  ARGV[1], [2]  count and bytes to take      ARGV[3], [4]  most that may be used of each
  ARGV[5]  within how long an account that is used up is full again, ms      ARGV[6]  now, ms
  ARGV[7]  1: take it although it is more than is left

  Returns 0, or with nothing taken how long until it may be, ms
]]
local account_key = KEYS[1]
local count, bytes, max_count, max_bytes = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local window_ms, now_ms, is_forced = tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7] == "1"

local used = redis.call("HMGET", account_key, "count", "bytes", "at_ms")
-- Clocks of several gateways differ: time never runs backwards here.
local at_ms = math.max(now_ms, tonumber(used[3] or 0))
local passed_ms = at_ms - tonumber(used[3] or at_ms)

local function used_after(standing, amount, most)
  return math.max(0, math.max(0, tonumber(standing or 0) - passed_ms * most / window_ms) + amount)
end

local next_count = used_after(used[1], count, max_count)
local next_bytes = used_after(used[2], bytes, max_bytes)
local excess = math.max(next_count / max_count, next_bytes / max_bytes) - 1
if excess > 0 and not is_forced then
  return math.ceil(excess * window_ms)
end
redis.call("HSET", account_key, "count", string.format("%.3f", next_count), "bytes", string.format("%.0f", next_bytes),
  "at_ms", string.format("%.0f", at_ms))
redis.call("PEXPIRE", account_key, window_ms)
return 0
