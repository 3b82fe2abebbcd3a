-- The functions of one version of nodes, side by side with those of another: their names carry a digest of this source.

-- What a node's user must be allowed, for what these functions do inside. Redis itself says only that something is not.

local NEEDED = {
  { 'TIME' }, { 'INFO', 'server' },
  { 'GET', SEQ }, { 'SET', SEQ, '' }, { 'DEL', SEQ }, { 'INCRBY', SEQ, '1' }, { 'RENAME', SEQ, SEQ },
  { 'HGET', META, '' }, { 'HMGET', META, '' }, { 'HSET', META, '', '' }, { 'HDEL', META, '' }, { 'HEXISTS', META, '' }, { 'HLEN', META },
  { 'LPUSH', HISTORY, '' }, { 'LTRIM', HISTORY, '0', '1' }, { 'PEXPIRE', HISTORY, '1' },
  { 'APPEND', RECENT, '' }, { 'LLEN', HISTORY }, { 'LINDEX', HISTORY, '0' }, { 'LRANGE', HISTORY, '0', '1' },
  { 'ZADD', RETAINED_PLACES, '0', '' }, { 'ZREM', RETAINED_PLACES, '' }, { 'ZREMRANGEBYSCORE', RETAINED_PLACES, '0', '1' },
  { 'ZRANGE', RETAINED_PLACES, '0', '1' }, { 'ZSCORE', RETAINED_PLACES, '' },
  { 'ZRANGEBYSCORE', NODES, '0', '1' }, { 'ZCARD', NODES }, { 'ZREMRANGEBYRANK', WENT, '0', '1' }, { 'HINCRBY', META, '', '1' },
  { 'HSCAN', CLIENTS, '0' }, { 'SET', PARCEL, '' },
  { 'PUBSUB', 'NUMSUB', ID_CHANNEL }, { 'PUBLISH', ID_CHANNEL, '' }, { 'SUBSCRIBE', ID_CHANNEL }, { 'UNSUBSCRIBE', ID_CHANNEL },
}

-- rights -> what is missing, as ACL SETUSER takes it
local function rights()
  local missing = {}
  for i = 1, #NEEDED do
    if not redis.acl_check_cmd(unpack(NEEDED[i])) then
      local command = string.lower(NEEDED[i][1])
      missing[#missing + 1] = '+' .. (command == 'pubsub' and 'pubsub|numsub' or command)
    end
  end
  return missing
end

-- alive run -> version of the list of nodes: this node is there. Where a server takes no writes, it refuses this, too.
local function alive(_, a)
  local run = a[1]
  if not is_run(run) then return fail('ARGUMENT alive run') end
  local now = now_us()
  -- One that publishes nothing is not forgotten.
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

local function register(name, callback, flags)
  redis.register_function({ function_name = '@prefix@' .. name, callback = awake(callback), flags = flags })
end

register('begin', begin, { 'allow-oom' })
register('publish', publish, {})
register('place', place, { 'no-writes' })
register('alive', alive, { 'allow-oom' })
register('read', read, { 'no-writes' })
register('recent', recent, { 'no-writes' })
register('retained', retained, { 'no-writes' })
register('restore', restore, {})
register('report', report, {})
register('rights', rights, { 'no-writes' })
register('join', join, { 'allow-oom' })
register('leave', leave, { 'allow-oom' })
register('changes', changes, { 'no-writes' })
register('tell', tell, { 'allow-oom' })
register('claim', claim, { 'allow-oom' })
register('keep', keep, { 'allow-oom' })
register('release', release, { 'allow-oom' })
register('pass', pass, { 'allow-oom' })
register('sweep', sweep, { 'allow-oom' })
register('mark', mark, { 'allow-oom' })
register('put', put, { 'allow-oom' })
register('take', take, { 'no-writes' })
register('drop', drop, { 'allow-oom' })
register('relate', relate, {})
register('related', related, { 'no-writes' })
register('edges', edges, { 'no-writes' })
register('graph', graph, { 'no-writes' })
register('copies', copies, { 'allow-oom' })
