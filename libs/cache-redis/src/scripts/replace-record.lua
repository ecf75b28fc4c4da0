--[[
  Puts another record in the place of the expected one.

  KEYS[1]  the record
  ARGV[1]  the expected one, empty: none      ARGV[2]  the next one      ARGV[3]  its time to live, ms

  Returns 1 if it was put there, else 0
]]
local record_key = KEYS[1]
local expected, next_record, ttl_ms = ARGV[1], ARGV[2], ARGV[3]

if (redis.call("GET", record_key) or "") ~= expected then
  return 0
end
redis.call("SET", record_key, next_record, "PX", ttl_ms)
return 1
