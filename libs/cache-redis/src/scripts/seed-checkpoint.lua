--[[
  Sets a partition's checkpoint where there is none, or that of an older log.

  KEYS[1]  the checkpoint      ARGV[1]  the one to set, JSON

  Returns the one that stands afterwards
]]
local checkpoint_key = KEYS[1]
local checkpoint_json = ARGV[1]

local standing_json = redis.call("GET", checkpoint_key)
if standing_json and cjson.decode(standing_json).log_created_ms >= cjson.decode(checkpoint_json).log_created_ms then
  return standing_json
end
redis.call("SET", checkpoint_key, checkpoint_json)
return checkpoint_json
