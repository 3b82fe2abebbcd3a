-- The router under its global name, for programs of any language:
--
--   FCALL <name>_send 1 123 "Hello World"                      -> how many copies went to nodes
--   FCALL <name>_send 2 123 456 "Hello World" QOS 0 RETAIN KEY 7f3a
--
-- Keys are ids. QoS is 1 where it is not said; RETAIN keeps it for who subscribes later, and an empty text clears that; KEY: a
-- repetition within 5 minutes does nothing, and is answered as the first. All ids, or none: ID, TOOBIG, SHARD, ARGUMENT, NOPERM.
-- UNKNOWN: it broke off, and some of the ids may have got it.

local UNKNOWN = 'UNKNOWN it broke off, and nobody knows which of these ids got it: '

local OPTIONS = 'after the text come QOS 0, 1 or 2, RETAIN, KEY and 1 to 64 characters'

-- @return nil where it is well-formed [MQTT-1.5.3-1]
local function find_bad_utf8(text)
  if not string.find(text, '[\128-\255]') then return nil end
  local at = 1
  while at <= #text do
    local first, second = string.byte(text, at, at + 1)
    local size
    if first < 0x80 then size = 1
    elseif first >= 0xc2 and first <= 0xdf then size = 2
    elseif first >= 0xe0 and first <= 0xef then size = 3
    elseif first >= 0xf0 and first <= 0xf4 then size = 4
    else return at end
    if #text < at + size - 1 then return at end
    for i = at + 1, at + size - 1 do
      local byte = string.byte(text, i)
      if byte < 0x80 or byte > 0xbf then return at end
    end
    if (first == 0xe0 and second < 0xa0) or (first == 0xed and second > 0x9f) or (first == 0xf0 and second < 0x90)
      or (first == 0xf4 and second > 0x8f) then return at end
    at = at + size
  end
end

-- @return nil, or a sentence
local function problem_of_id(id, limits)
  if id == '' then return 'an id is at least one character long' end
  if #id > limits.idBytesMax then return 'the id is longer than the nodes accept, ' .. limits.idBytesMax .. ' bytes' end
  if string.find(id, '[+#]') then return 'an id has no + and no #: those are wildcards of topic filters' end
  if string.byte(id) == 36 then return 'ids that begin with $ are the nodes\' own' end
  if string.find(id, '\0', 1, true) then return 'an id has no NUL character' end
  if find_bad_utf8(id) then return 'an id is well-formed UTF-8' end
  local _, slashes = string.gsub(id, '/', '')
  if slashes >= limits.levelsMax then
    return 'the id has more levels (parts between slashes) than the nodes accept, ' .. limits.levelsMax
  end
end

local function shard_of(id, count)
  if count == 1 then return 0 end
  return tonumber(string.sub(redis.sha1hex(id), 1, 8), 16) % count
end

local function levels_of(topic)
  local levels = {}
  for level in string.gmatch(topic .. '/', '([^/]*)/') do levels[#levels + 1] = level end
  return levels
end

-- Of an id that does not begin with $.
local function matches(filter, id)
  if filter == '#' then return true end
  local wanted, levels = levels_of(filter), levels_of(id)
  for i = 1, #wanted do
    if wanted[i] == '#' then return true end
    if i > #levels or (wanted[i] ~= '+' and wanted[i] ~= levels[i]) then return false end
  end
  return #wanted == #levels
end

-- Of the nodes: text of both is kept in the meta hash, and taken apart once.
local parsed = {}
local function parse(kind, text)
  local known = parsed[kind]
  if known and known.text == text then return known.value end
  local value = cjson.decode(text)
  parsed[kind] = { text = text, value = value }
  return value
end

-- @return text of the rule that holds for an id, as `publish` takes it
local function rule_for(id, list)
  for i = 1, #list do
    local filter, messages, age_ms = unpack(list[i])
    if matches(filter, id) then
      return messages > 0 and string.format('%.0f:%.0f', messages, age_ms) or ''
    end
  end
  return ''
end

-- @return { flags, key }, or nil and an error reply
local function options_of(a)
  local qos, retain, key = 1, 0, nil
  local at = 2
  while at <= #a do
    local word, value = string.upper(a[at]), a[at + 1]
    if word == 'RETAIN' then
      retain = RETAIN_FLAG
      at = at + 1
    elseif word == 'QOS' and value and string.find(value, '^[012]$') then
      qos = tonumber(value)
      at = at + 2
    elseif word == 'KEY' and value and #value <= 64 and string.find(value, '^[!-~]+$') then
      key = value
      at = at + 2
    else
      return nil, fail('ARGUMENT ' .. OPTIONS .. ': got ' .. string.sub(a[at], 1, 40))
    end
  end
  return { flags = qos + retain, key = key }
end

-- @return what is known of the nodes, or nil and an error reply
local function known_cluster()
  local m = call('HMGET', META, 'format', 'index', 'count', 'limits', 'server', 'key', 'rules')
  local problem = check_format(m[1])
  if problem then return nil, problem end
  if not m[4] then return nil, fail('NONODE no node of ' .. NAME .. ' has been connected to this server: start one') end
  -- What another run of this server, or another server, has begun is none of this one's.
  local key = m[5] == own_token and m[6] or nil
  return { index = tonumber(m[2]), count = tonumber(m[3]), limits = parse('limits', m[4]), key = key, rules = m[7] }
end

-- @return nil, or an error reply
local function check_ids(ids, cluster)
  for i = 1, #ids do
    local problem = problem_of_id(ids[i], cluster.limits)
    if problem then return fail('ID ' .. problem) end
    local shard = shard_of(ids[i], cluster.count)
    if shard ~= cluster.index then
      return fail(string.format('SHARD this id belongs to server %d of the list of %d, and this is %d (counted from 0)', shard,
        cluster.count, cluster.index))
    end
  end
end

local function send(ids, a)
  if #ids == 0 or #a == 0 then
    return fail('ARGUMENT FCALL ' .. NAME .. '_send 1 id text: one key for each id; ' .. OPTIONS)
  end
  local options, problem = options_of(a)
  if not options then return problem end
  local cluster
  cluster, problem = known_cluster()
  if not cluster then return problem end
  limit_retained(cluster.limits)
  if #a[1] > cluster.limits.payloadBytesMax then
    return fail('TOOBIG the message is longer than the nodes accept, ' .. cluster.limits.payloadBytesMax .. ' bytes')
  end
  problem = check_ids(ids, cluster)
  if problem then return problem end

  local now = now_us()
  local first
  first, problem = give_places(now, cluster.key, nil, #ids)
  if not first then return problem end
  local rules_text = cluster.rules and call('HGET', META, 'rules:' .. cluster.rules)
  local list = rules_text and parse('rules', rules_text) or {}
  local rules, kept = {}, {}
  for i = 1, #ids do
    rules[i] = rule_of(rule_for(ids[i], list))
    if rules[i] then kept[#kept + 1] = ids[i] end
  end
  local wanted = wanted_of(ids)
  if #kept > 0 then note_recent(first, kept, true) end
  local body = string.char(options.flags) .. a[1]
  local copies = 0
  for i = 1, #ids do
    local once = options.key and idempotency_key(ids[i], options.key)
    local ok, outcome, trouble = pcall(send_once, once, first + i - 1, ids[i], rules[i], '\0', body, wanted[i])
    if not ok or trouble then
      local is_unknown = not ok or i > 1
      error({ err = (is_unknown and UNKNOWN or '') .. text_of(trouble or outcome) })
    end
    copies = copies + (tonumber(outcome) or tonumber(string.match(outcome, '%d+$')))
  end
  return copies
end

-- FCALL <name>_ids 1 123 -> for each id: {"id":"123","nodes":2,"filters":1}
-- Nodes that have somebody logged in as the id, and nodes with a topic filter that may match it.
local function ids(keys)
  local cluster, problem = known_cluster()
  if not cluster then return problem end
  problem = check_ids(keys, cluster)
  if problem then return problem end
  local reply = {}
  for i = 1, #keys do
    local channels = filter_channels(keys[i])
    local filters = 0
    for _, count in pairs(subscribers_of({ channels })) do filters = filters + count end
    local nodes_with_id = call('PUBSUB', 'NUMSUB', ID_CHANNEL .. keys[i])[2]
    reply[i] = string.format('{"id":%s,"nodes":%d,"filters":%d}', cjson.encode(keys[i]), nodes_with_id, filters)
  end
  return reply
end

local REPORT_AGE_MS = 30000

-- FCALL <name>_stats 0 -> {"name":…,"shard":0,"shards":1,"channels":…,"historyIds":…,"nodes":[what each node has reported last]}
-- A node that has reported nothing for half a minute is left out.
local function stats()
  local cluster, problem = known_cluster()
  if not cluster then return problem end
  local oldest = now_us() / 1000 - REPORT_AGE_MS
  local reports = call('HGETALL', REPORTS)
  local fresh = {}
  for i = 2, #reports, 2 do
    local ms, json = string.match(reports[i], '^(%d+) (.*)$')
    if tonumber(ms) >= oldest then fresh[#fresh + 1] = json end
  end
  table.sort(fresh)
  return string.format('{"name":"%s","shard":%d,"shards":%d,"nodes":[%s]}', NAME, cluster.index, cluster.count,
    table.concat(fresh, ','))
end

-- Redis says only that something is not allowed.
local function told(callback)
  return function(keys, a)
    local ok, reply = pcall(callback, keys, a)
    if ok then return reply end
    local text, missing = text_of(reply), missing_of(NEEDED)
    if #missing == 0 then return fail(text) end
    local is_unknown = sub(text, 1, #UNKNOWN) == UNKNOWN
    return fail((is_unknown and UNKNOWN or 'NOPERM ') ..
      'Redis checks what a function does against the rights of who calls it: give this user ' ..
      table.concat(missing, ' ') .. ' on ~' .. NAME .. ':* &' .. NAME .. ':*')
  end
end

register('send', told(send), {})
register('ids', told(ids), { 'no-writes' })
register('stats', told(stats), { 'no-writes' })
register('version', function() return @version@ end, { 'no-writes', 'allow-stale' })
