--[[
  Lengthens a lease if it still is the member's, and reads the partition's checkpoint in the same step.

  KEYS[1]  the lease      KEYS[2]  the checkpoint
  ARGV[1]  the member      ARGV[2]  time to live, ms

  Returns { 1 if the lease is held, else 0, checkpoint or nil }
]]
local lease_key, checkpoint_key = KEYS[1], KEYS[2]
local member, ttl_ms = ARGV[1], ARGV[2]

local is_held = redis.call("GET", lease_key) == member
local checkpoint_json = redis.call("GET", checkpoint_key)
if is_held then
  redis.call("PEXPIRE", lease_key, ttl_ms)
end
return { is_held and 1 or 0, checkpoint_json }
