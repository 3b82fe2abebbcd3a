-- What is retained, which every node has; one that was away learns what changed.
--
--   <name>:r:m   hash id -> place (8 bytes) body
--   <name>:r:z   sorted set of these ids by place
--   <name>:r:t   sorted set of ids that were cleared, by place, for an hour; `cleared` of the meta hash: who knows less than that
--                reads all

local RETAINED = NAME .. ':r:m'
local RETAINED_PLACES = NAME .. ':r:z'
local CLEARED_PLACES = NAME .. ':r:t'
local CLEARED_AGE_US = 3600 * 1000000

-- Of all ids; nil while no node has said. Past it no more are kept, here and on the nodes.
local retained_max

-- @param limits of a node
local function limit_retained(limits)
  retained_max = limits.retainedMax
end

local function keep_retained(id, place, body)
  if string.byte(id) == 36 then return end -- of a node: it goes with it
  if #body > 1 then
    local is_full = retained_max and call('HLEN', RETAINED) >= retained_max
    if is_full and call('HEXISTS', RETAINED, id) == 0 then return end
    call('HSET', RETAINED, id, pack_place(place) .. body)
    call('ZADD', RETAINED_PLACES, place, id)
    call('ZREM', CLEARED_PLACES, id)
  elseif call('HDEL', RETAINED, id) == 1 then
    call('ZREM', RETAINED_PLACES, id)
    call('ZADD', CLEARED_PLACES, place, id)
    local old = place - CLEARED_AGE_US
    if call('ZREMRANGEBYSCORE', CLEARED_PLACES, '-inf', old) > 0 then
      call('HSET', META, 'cleared', old)
    end
  end
end
