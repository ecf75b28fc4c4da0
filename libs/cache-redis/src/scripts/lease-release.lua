--[[
  Gives a lease back if it is the member's.

  KEYS[1]  the lease      ARGV[1]  the member

  Returns 1 if it was, else 0
]]
local lease_key = KEYS[1]
local member = ARGV[1]

if redis.call("GET", lease_key) ~= member then
  return 0
end
return redis.call("DEL", lease_key)
