-- The nodes of the cluster: who is there, and what they say to each other.
--
--   <name>:nodes     sorted set: run -> when it was heard of last, ms
--   <name>:nodes:m   hash: run -> what it says of itself, JSON
--   <name>:nodes:v   sorted set: run -> version of the list at which it came
--   <name>:nodes:g   sorted set: run -> version at which it went, of the last that did
--
-- meta: version, counted up when a node comes or goes; `alive` answers it, and only then a node asks what has changed, so that
-- each node hears of each other once. forgotten: up to this version it is not known any more who went.

local NODES = NAME .. ':nodes'
local ABOUT = NAME .. ':nodes:m'
local CAME = NAME .. ':nodes:v'
local WENT = NAME .. ':nodes:g'
local WENT_KEPT = 1000
-- Nodes say that they are there once a second.
local SILENT_MS = 3000
-- Of one call.
local SILENT_MAX = 100
-- So many are told at once when one comes or goes. More hear it with their next `alive`, or each of many that come together
-- would be told to all of them.
local TOLD_MAX = 32

local function channel_of(run)
  return NAME .. ':n:' .. run
end

local function next_version()
  return redis.call('HINCRBY', META, 'version', 1)
end

local function tell_change(run)
  if redis.call('ZCARD', NODES) <= TOLD_MAX then redis.call('PUBLISH', NAME .. ':n', 'J' .. run) end
end

local function remove_node(run)
  redis.call('ZREM', NODES, run)
  if redis.call('HDEL', ABOUT, run) == 0 then return end
  redis.call('HDEL', REPORTS, run)
  redis.call('ZREM', CAME, run)
  redis.call('ZADD', WENT, next_version(), run)
  local beyond = redis.call('ZCARD', WENT) - WENT_KEPT
  if beyond > 0 then
    local last = redis.call('ZRANGE', WENT, beyond - 1, beyond - 1, 'WITHSCORES')
    redis.call('HSET', META, 'forgotten', last[2])
    redis.call('ZREMRANGEBYRANK', WENT, 0, beyond - 1)
  end
end

-- A node is there. Those that have been silent are not, unless all have, as when this server stood still.
local function hear_of(run, now_ms)
  local newest = redis.call('ZRANGE', NODES, -1, -1, 'WITHSCORES')
  if newest[2] and tonumber(newest[2]) < now_ms - SILENT_MS then
    for _, each in ipairs(redis.call('ZRANGE', NODES, 0, -1)) do redis.call('ZADD', NODES, now_ms, each) end
  end
  redis.call('ZADD', NODES, 'XX', now_ms, run)
  local silent = redis.call('ZRANGEBYSCORE', NODES, '-inf', now_ms - SILENT_MS, 'LIMIT', 0, SILENT_MAX)
  for i = 1, #silent do remove_node(silent[i]) end
end

-- join run about -> version. Again with something else to say is a change.
local function join(_, a)
  local run, about = a[1], a[2]
  if not is_run(run) or not about then return fail('ARGUMENT join run about') end
  redis.call('ZADD', NODES, math.floor(now_us() / 1000), run)
  redis.call('HSET', ABOUT, run, about)
  redis.call('ZREM', WENT, run)
  local version = next_version()
  redis.call('ZADD', CAME, version, run)
  tell_change(run)
  return version
end

-- leave run
local function leave(_, a)
  if not is_run(a[1]) then return fail('ARGUMENT leave run') end
  remove_node(a[1])
  tell_change(a[1])
  return 1
end

-- changes run after -> version, 1 = those are all nodes | 0 = those that changed behind version `after`, whether this node is
-- among all, and for each: run, about or '' where it has gone
local function changes(_, a)
  local run, after = a[1], tonumber(a[2])
  if not is_run(run) or not after then return fail('ARGUMENT changes run after') end
  local m = redis.call('HMGET', META, 'version', 'forgotten')
  local version = tonumber(m[1] or 0)
  local all = after < tonumber(m[2] or 0) or after > version
  if all then after = 0 end
  local reply = { version, all and 1 or 0, redis.call('HEXISTS', ABOUT, run) }
  for _, each in ipairs(redis.call('ZRANGEBYSCORE', CAME, '(' .. after, '+inf')) do
    reply[#reply + 1] = each
    reply[#reply + 1] = redis.call('HGET', ABOUT, each) or ''
  end
  if not all then
    for _, each in ipairs(redis.call('ZRANGEBYSCORE', WENT, '(' .. after, '+inf')) do
      reply[#reply + 1] = each
      reply[#reply + 1] = ''
    end
  end
  return reply
end

-- alive run -> version of the list of nodes: this node is there. Where a server takes no writes, it refuses this, too.
local function alive(_, a)
  local run = a[1]
  if not is_run(run) then return fail('ARGUMENT alive run') end
  local now = now_us()
  -- A node that publishes nothing is not forgotten.
  if nodes[run] then nodes[run].seen = now end
  hear_of(run, math.floor(now / 1000))
  trim_cleared(now)
  return tonumber(call('HGET', META, 'version') or 0)
end

-- report run json -> 1: what a node says of itself, for <name>_stats | 0: it is not in the list of nodes
local function report(_, a)
  local run, json = a[1], a[2]
  if not is_run(run) or not json then return fail('ARGUMENT report run json') end
  if call('HEXISTS', ABOUT, run) == 0 then return 0 end
  call('HSET', REPORTS, run, string.format('%.0f %s', math.floor(now_us() / 1000), json))
  return 1
end

-- What a node must be allowed besides what a sender must.
local NEEDED_OF_NODES = {
  { 'LLEN', HISTORY }, { 'LINDEX', HISTORY, '0' }, { 'LRANGE', HISTORY, '0', '1' }, { 'RENAME', SEQ, SEQ },
  { 'ZREMRANGEBYSCORE', RETAINED_PLACES, '0', '1' }, { 'ZRANGE', RETAINED_PLACES, '0', '1' }, { 'ZSCORE', RETAINED_PLACES, '' },
  { 'ZRANGEBYSCORE', NODES, '0', '1' }, { 'ZCARD', NODES }, { 'ZREMRANGEBYRANK', WENT, '0', '1' }, { 'HINCRBY', META, '', '1' },
  { 'HSCAN', ABOUT, '0' }, { 'SUBSCRIBE', ID_CHANNEL }, { 'UNSUBSCRIBE', ID_CHANNEL },
}
for i = 1, #NEEDED_OF_NODES do NEEDED[#NEEDED + 1] = NEEDED_OF_NODES[i] end

register('rights', function() return missing_of(NEEDED) end, { 'no-writes' })
register('join', join, { 'allow-oom' })
register('leave', leave, { 'allow-oom' })
register('changes', changes, { 'no-writes' })
register('alive', alive, { 'allow-oom' })
register('report', report, {})
