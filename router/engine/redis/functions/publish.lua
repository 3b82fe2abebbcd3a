-- What a node publishes, in batches; and how it learns which of them ran.
--
-- From here on functions are those of nodes. Their names have a digest of their source: those of two versions lie side by side.
--
-- What is known of each node lives in this library's memory: it is of use only as long as this process is the same. `begin`
-- tells which life of that memory it is, so a node that did not hear the end of a batch, as the connection broke, learns from
-- the next `begin` whether it ran, and knows where that cannot be known.

local ARGUMENTS_PER_MESSAGE = 5
-- Batches of which it is known whether they ran: the last one and those before it.
local REMEMBERED = 2 ^ 16
-- A node that has not called for so long is forgotten: it is to begin again.
local FORGOTTEN_AGE_US = 3600 * 1000000

-- run -> { generation; rules, their digest; key of the last place; last, number of its last batch that ran; bits, of the 16 up
-- to that: 1 = it ran; seen, when it called last; troubled, of those 16: number -> what became of each message, where not all
-- went out }
local nodes = {}
local life

local function life_of(now)
  life = life or server_token() .. string.format('%.0f', now)
  return life
end

local function forget_old_nodes(now)
  for run, node in pairs(nodes) do
    if node.seen < now - FORGOTTEN_AGE_US then nodes[run] = nil end
  end
end

-- @return the cluster that this shard belongs to, or nil and an error reply
local function check_shard(index, count, cluster)
  local m = call('HMGET', META, 'cluster', 'index', 'count')
  if not m[1] then return cluster end
  if m[2] ~= index or m[3] ~= count or (index ~= '0' and m[1] ~= cluster) then
    return nil, fail('SHARD ' .. m[2] .. ' ' .. m[3] .. ' ' .. m[1])
  end
  return m[1]
end

-- begin run generation position index count cluster rules limits
--   -> last batch that ran, bits of the 16 up to it (bit 0 = that one), life, time in ms, seq, begin, cluster; and of each
--      batch of these of which not all went out: its number, and a sign for each message, + - or ? as in fate_of
-- The first call of each connection that publishes: what an older one of this node still has under way does nothing from now on.
-- @param position highest place that the node has seen of this shard, or 0
-- @param cluster for shard 0 a proposal, which the first node's is; for the others what shard 0 has answered
-- @param rules text of the rules of history, [["filter", messages, ageMs], ...]
-- @param limits text, {"idBytesMax":…,"levelsMax":…,"payloadBytesMax":…}
local function begin(_, a)
  local run, generation, position, index, count, cluster, rules_text, limits = unpack(a)
  generation, position = tonumber(generation), tonumber(position)
  if #a ~= 8 or not is_run(run) or not generation or not position or cluster == '' then
    return fail('ARGUMENT begin run generation position index count cluster rules limits')
  end
  local now = now_us()
  local node = nodes[run]
  if node and node.generation > generation then return fail('SUPERSEDED a newer connection has begun') end
  local problem
  cluster, problem = check_shard(index, count, cluster)
  if not cluster then return problem end
  local rules = string.sub(redis.sha1hex(rules_text), 1, 12)
  local key, seq = settle(now, rules, position)
  if not key then return seq end
  call('HSET', META, 'cluster', cluster, 'index', index, 'count', count, 'limits', limits, 'rules:' .. rules, rules_text)
  limit_retained(cjson.decode(limits))
  forget_old_nodes(now)
  node = node or { last = 0, bits = 0 }
  node.generation, node.rules, node.key, node.seen = generation, rules, key, now
  nodes[run] = node
  local begun = tonumber(call('HGET', META, 'begin'))
  local reply = { node.last, node.bits, life_of(now), math.floor(now / 1000), seq, begun, cluster }
  for number, fates in pairs(node.troubled or {}) do
    reply[#reply + 1] = number
    reply[#reply + 1] = fates
  end
  return reply
end

-- @return nil; or an error reply, where the call comes from a connection that its node has given up since
local function check_begun(run, generation)
  local node = nodes[run]
  if node and node.generation == tonumber(generation) then return nil end
  return fail('SUPERSEDED a newer connection has begun, or what this one began is not known any more')
end

-- @return the time and what is known of the node; or nil and an error reply
local function begun_in_time(run, generation, not_after_ms)
  local now = now_us()
  if now > not_after_ms * 1000 then return nil, fail('LATE it was not to run any more') end
  local problem = check_begun(run, generation)
  if problem then return nil, problem end
  return now, nodes[run]
end

-- @return nil, or an error reply; and ids of messages with history, or nil
local function check_messages(a, count, ids, rules)
  local kept
  for i = 1, count do
    local at = i * ARGUMENTS_PER_MESSAGE
    local id = a[at]
    if id == '' or #id > 65535 then return fail('ID an id has 1 to 65535 bytes') end
    local rule, problem = rule_of(a[at + 1])
    if problem then return fail(problem) end
    ids[i], rules[i] = id, rule
    if rule then
      kept = kept or {}
      kept[#kept + 1] = id
    end
  end
  return nil, kept
end

-- In the reply, in the place of the number of copies.
local NOT_KEPT = -1
local BROKEN_OFF = -2

-- @return + = it went out, or had done so before; - = it did not; ? = nobody knows
local function fate_of(outcome)
  return outcome == NOT_KEPT and '-' or outcome == BROKEN_OFF and '?' or '+'
end

-- The answer may not be heard: then the next `begin` tells.
local function note_trouble(node, number, outcomes)
  node.troubled = node.troubled or {}
  for old in pairs(node.troubled) do
    if number - old >= 16 then node.troubled[old] = nil end
  end
  local fates = {}
  for i = 1, #outcomes do fates[i] = fate_of(outcomes[i]) end
  node.troubled[number] = table.concat(fates)
end

-- Sends those that are not in the reply yet.
-- @return all outcomes are below 256; nil, or why one was not kept
local function send_rest(reply, first, ids, rules, a, wanted)
  local is_plain, problem = true, nil
  for i = #reply, #ids do
    local at = i * ARGUMENTS_PER_MESSAGE
    local id, once = ids[i], a[at + 4]
    local once_key = once ~= '' and idempotency_key(id, once)
    local outcome, trouble = send_once(once_key, first + i - 1, id, rules[i], a[at + 2], a[at + 3], wanted[i])
    problem = problem or trouble
    is_plain = is_plain and type(outcome) == 'number' and outcome < 256
    reply[i + 1] = outcome or NOT_KEPT
  end
  return is_plain, problem
end

-- A list of numbers takes a node 0.25 µs for each of them.
-- @param reply seq and outcomes @param is_plain all outcomes are below 256
local function packed_if(is_plain, reply)
  if not is_plain or #reply > ASKED_MAX then return reply end
  return pack_place(reply[1]) .. string.char(unpack(reply, 2))
end

-- publish run generation number notAfterMs, and for each message: id rule head body key
--   -> seq of the last, and for each message: its copies; a text `place copies` where its key was there already; -1 where it
--      could not be kept, and did not go out; -2 where that broke off, and nobody knows how far it came. Behind these, where there
--      is a -1 or -2: why. Where all are small numbers, it is one text: seq in 8 bytes, a byte for each
-- LATE, SUPERSEDED, ARGUMENT, ID, and all other errors: it did nothing.
local function publish(_, a)
  local number, not_after_ms = tonumber(a[3]), tonumber(a[4])
  local count = (#a - 4) / ARGUMENTS_PER_MESSAGE
  if not number or not not_after_ms or count < 1 or count % 1 ~= 0 then
    return fail('ARGUMENT publish run generation number notAfterMs, then id rule head body key of each message')
  end
  local ids, rules = {}, {}
  local problem, kept = check_messages(a, count, ids, rules)
  if problem then return problem end
  local now, node = begun_in_time(a[1], a[2], not_after_ms)
  if not now then return node end
  local since = number - node.last
  if since < 1 then return fail('SUPERSEDED a later batch has run') end
  local first, key = give_places(now, node.key, node.rules, count)
  if not first then return key end
  node.key = key
  local wanted = wanted_of(ids)
  if kept then note_recent(first, kept) end
  -- From here on it has run, whatever breaks off.
  node.last, node.seen = number, now
  node.bits = since < 16 and node.bits * 2 ^ since % REMEMBERED + 1 or 1

  local reply = { given }
  local ok, is_plain, why = pcall(send_rest, reply, first, ids, rules, a, wanted)
  while not ok do
    why = text_of(is_plain)
    reply[#reply + 1] = BROKEN_OFF
    ok, is_plain = pcall(send_rest, reply, first, ids, rules, a, wanted)
  end
  if why then
    redis.log(redis.LOG_WARNING, NAME .. ': ' .. why)
    note_trouble(node, number, { unpack(reply, 2) })
    reply[count + 2] = why
  end
  return packed_if(is_plain and not why, reply)
end

register('begin', begin, { 'allow-oom' })
register('publish', publish, {})
