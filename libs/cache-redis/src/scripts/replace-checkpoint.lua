--[[
  Puts another checkpoint in the place of the expected one.

  KEYS[1]  the checkpoint      ARGV[1]  the expected one, JSON      ARGV[2]  the next one, JSON

  Returns the one that stands afterwards, or nil
]]
local checkpoint_key = KEYS[1]
local expected_json, next_json = ARGV[1], ARGV[2]

local standing_json = redis.call("GET", checkpoint_key)
if not standing_json then
  return false
end
local standing, expected = cjson.decode(standing_json), cjson.decode(expected_json)
if standing.broker_sequence ~= expected.broker_sequence or standing.timestamp_ms ~= expected.timestamp_ms
  or standing.log_created_ms ~= expected.log_created_ms then
  return standing_json
end
redis.call("SET", checkpoint_key, next_json)
return next_json
