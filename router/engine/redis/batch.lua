-- What a node publishes, in batches; and how it learns which of them ran.
--
-- Each node numbers its batches. The meta hash keeps l<run>: the number of its last one that ran times 65,536, and a bit for
-- each of the 16 before it and itself (bit 0). So what a node did not hear the end of, as the connection broke, it learns from
-- `begin`, where Redis is the same run. A batch that was refused leaves no bit.

local SEEN = 65536
local IDEMPOTENCY = NAME .. ':k:'
local IDEMPOTENCY_MS = 300000
local ARGUMENTS_PER_MESSAGE = 5

local function idempotency_key(id, key)
  return IDEMPOTENCY .. #id .. ':' .. id .. ':' .. key
end

local function is_run(run)
  return run and #run == 16 and not string.find(run, '[^0-9a-f]')
end

-- Lists are written under these rules from now on: before, less may have been kept than they say.
local function change_rules(digest, seq)
  redis.call('HSET', META, 'rules', digest, 'since', seq)
end

-- begin run generation position index count cluster rules limits
--   -> last batch that ran, bits of the 16 up to it, run of Redis, its time in ms, seq, begin, cluster
-- The first call of each connection that publishes: what an older one of this node still has under way does nothing from now on.
-- @param position highest place that the node has seen of this shard, or 0
-- @param cluster '' = whatever it is
-- @param rules text of the rules of history, [["filter", messages, ageMs], ...]
-- @param limits text, {"idBytesMax":…,"levelsMax":…,"payloadBytesMax":…}
local function begin(_, a)
  local run, generation, position, index, count, cluster, rules_text, limits = unpack(a)
  generation, position = tonumber(generation), tonumber(position)
  if #a ~= 8 or not is_run(run) or not generation or not position or cluster == '' then
    return fail('ARGUMENT begin run generation position index count cluster rules limits')
  end
  local now = now_us()
  local m = redis.call('HMGET', META, 'run', 'seq', 'begin', 'cluster', 'index', 'count', 'g' .. run, 'l' .. run,
    'rules')
  local seq = tonumber(m[2])
  local begun = tonumber(m[3])
  local cluster_was = m[4]
  if cluster_was then
    if m[5] ~= index or m[6] ~= count then
      return fail('SHARD ' .. m[5] .. ' ' .. m[6] .. ' is what this server is')
    end
    if index ~= '0' and cluster_was ~= cluster then
      return fail('SHARD ' .. m[5] .. ' ' .. m[6] .. ' of another list of servers is what this server is')
    end
    cluster = cluster_was
  end
  if m[1] ~= server_run() or position > seq then
    local problem
    seq, problem = begin_generation(now, position)
    if not seq then return problem end
    begun = seq
  end
  if m[7] and tonumber(m[7]) > generation then return fail('SUPERSEDED a newer connection has begun') end
  local last = tonumber(m[8] or 0)
  local digest = redis.sha1hex(rules_text)
  redis.call('HSET', META, 'cluster', cluster, 'index', index, 'count', count, 'g' .. run, generation, 'l' .. run, last,
    'r' .. run, digest, 'limits', limits, 't' .. digest, rules_text)
  if m[9] ~= digest then change_rules(digest, seq) end
  return { math.floor(last / SEEN), last % SEEN, server_run(), math.floor(now / 1000), seq, begun, cluster }
end

-- publish run generation number notAfterMs, and for each message: id rule head body key
--   -> seq of the last, and for each message: its copies; a text `place copies` where its key was there already; -1 where it
--      could not be kept, and did not go out
-- All of it, or nothing: LATE, SUPERSEDED, ARGUMENT.
local function publish(_, a)
  local run, generation, number, not_after_ms = a[1], a[2], tonumber(a[3]), tonumber(a[4])
  local count = (#a - 4) / ARGUMENTS_PER_MESSAGE
  if not is_run(run) or not number or not not_after_ms or count < 1 or count % 1 ~= 0 then
    return fail('ARGUMENT publish run generation number notAfterMs, then id rule head body key of each message')
  end
  local ids, rules_of = {}, {}
  for i = 1, count do
    local at = i * ARGUMENTS_PER_MESSAGE
    local id = a[at]
    if id == '' or #id > 65535 then return fail('ID an id has 1 to 65535 bytes') end
    local rule, problem = rule_of(a[at + 1])
    if problem then return fail(problem) end
    ids[id], rules_of[i] = true, rule
  end
  local now = now_us()
  if now > not_after_ms * 1000 then return fail('LATE it was not to run any more') end
  local m = redis.call('HMGET', META, 'run', 'seq', 'g' .. run, 'l' .. run, 'rules', 'r' .. run)
  if m[3] ~= generation then return fail('SUPERSEDED a newer connection has begun, or what this one began is lost') end
  local seq, problem = tonumber(m[2]), nil
  if m[1] ~= server_run() then
    seq, problem = begin_generation(now, 0)
    if not seq then return problem end
  end
  local seen = tonumber(m[4])
  local since = number - math.floor(seen / SEEN)
  if since < 1 then return fail('SUPERSEDED a later batch has run') end
  local bits = 1
  if since < 16 then bits = (seen % SEEN * 2 ^ since) % SEEN + 1 end
  if m[5] ~= m[6] then change_rules(m[6], seq) end
  local first = give_places(now, seq, count)
  -- Before anything else: should a message break the script, it has run, and no place is given again.
  redis.call('HSET', META, 'seq', first + count - 1, 'l' .. run, number * SEEN + bits)

  local filters = subscribed_filters(ids)
  local reply = { first + count - 1 }
  for i = 1, count do
    local at = i * ARGUMENTS_PER_MESSAGE
    local id, key = a[at], a[at + 4]
    local repeated = key ~= '' and redis.call('GET', idempotency_key(id, key))
    if repeated then
      reply[i + 1] = repeated
    else
      local place = first + i - 1
      local copies, trouble = send_out(place, id, rules_of[i], a[at + 2], a[at + 3], filters[id])
      if trouble then redis.log(redis.LOG_WARNING, NAME .. ': history of ' .. id .. ': ' .. trouble) end
      if copies and key ~= '' then
        local outcome = string.format('%.0f %d', place, copies)
        redis.call('SET', idempotency_key(id, key), outcome, 'PX', IDEMPOTENCY_MS)
      end
      reply[i + 1] = copies or -1
    end
  end
  return reply
end
