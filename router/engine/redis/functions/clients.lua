-- Which node has which MQTT client, and what goes from node to node with it.
--
--   <name>:c            hash: client id -> run of its node, and behind it: + = its session is on its way there;
--                       < and a run = the node that had it before, until that node has claimed it again;
--                       last, = and the key of the user that has it, where that is known
--   <name>:o:<key>:<n>  string: part of what is too long for one PUBLISH, for a minute
--
-- Words to nodes begin with a letter and 16 hex digits, the run of the node that they come from; see nodes.ts.
-- What a connection says that its node has given up since does nothing: `generation` is that of its `begin`.

local CLIENTS = NAME .. ':c'
local ON_ITS_WAY = '+'
local BEFORE = '<'
local USER = '='
local PARCEL = NAME .. ':o:'
local RUN_BYTES = 16
-- Client ids that are looked at by one `sweep`.
local SWEPT = 200

-- @return run of its node | '', what is behind it, = and key of its user | ''
local function owner_of(id)
  local owner = redis.call('HGET', CLIENTS, id)
  if not owner then return '', '', '' end
  local at = find(owner, USER, RUN_BYTES + 1, true) or #owner + 1
  return sub(owner, 1, RUN_BYTES), sub(owner, RUN_BYTES + 1, at - 1), sub(owner, at)
end

local function user_of(key)
  return key == '' and '' or USER .. key
end

-- Only the first server has the list of nodes. One that stands still stays connected.
local function is_connected(run)
  return redis.call('PUBSUB', 'NUMSUB', channel_of(run))[2] > 0
end

-- Words for nodes, one for each letter and node.
local function new_words()
  local words = {}
  -- @param index of the reply, which becomes how many connections heard it
  local function add(letter, to, head, text, index)
    local word = words[letter .. to]
    if not word then
      word = { to = to, texts = { letter .. head }, indices = {} }
      words[letter .. to] = word
    end
    table.insert(word.texts, text)
    table.insert(word.indices, index)
  end
  local function send(reply)
    for _, word in pairs(words) do
      local heard = redis.call('PUBLISH', channel_of(word.to), table.concat(word.texts, '\0'))
      for _, index in ipairs(word.indices) do reply[index] = heard end
    end
  end
  return add, send
end

-- claim run generation, and for each: 1 = with a clean session | 0, a + where it is the same claim once more, a ! where it
-- takes client ids of all users; client id; key of its user, '' = not known
-- -> number of the call, and for each: run of the node before | '', how many of its connections heard of it; of this node
-- itself, 1 = its session is on its way here; behind these, 1 = nothing is done, as another user has it
local function claim(_, a)
  local run = a[1]
  if not is_run(run) or #a % 3 ~= 2 then return fail('ARGUMENT claim run generation, then flags clientId user of each') end
  local problem = check_begun(run, a[2])
  if problem then return problem end
  local number = redis.call('HINCRBY', META, 'claims', 1)
  local reply = { number }
  local add, send = new_words()
  for i = 3, #a, 3 do
    local flags, id, user, index = a[i], a[i + 1], user_of(a[i + 2]), #reply + 1
    local owner, mark, owner_user = owner_of(id)
    local comes = owner == run and mark == ON_ITS_WAY
    local is_elsewhere = owner ~= '' and (owner ~= run or comes)
    local is_anothers = is_elsewhere and owner_user ~= '' and owner_user ~= user and not find(flags, '!', 2, true)
    if is_anothers then
      -- That node looks whether it has it: else nobody would get it any more.
      if mark ~= ON_ITS_WAY then add('K', owner, run, id, index + 1) end
    else
      if find(flags, '+', 2, true) and owner == run and sub(mark, 1, 1) == BEFORE then owner = sub(mark, 2) end
      local is_new = owner == '' or owner == run
      redis.call('HSET', CLIENTS, id, (is_new and run or run .. BEFORE .. owner) .. user)
      if not is_new then add('W', owner, run .. number, sub(flags, 1, 1) .. id, index + 1) end
    end
    reply[index], reply[index + 1], reply[index + 2] = owner, comes and 1 or 0, is_anothers and 1 or 0
  end
  send(reply)
  return reply
end

-- keep run generation, and for each: client id, key of its user
-- -> for each: '' = it is this node's, now if nobody's before | run of the node that has it. A node that is not connected has
-- none.
local function keep(_, a)
  local run = a[1]
  if not is_run(run) or #a % 2 ~= 0 then return fail('ARGUMENT keep run generation, then clientId user of each') end
  local problem = check_begun(run, a[2])
  if problem then return problem end
  local reply, connected = {}, {}
  for i = 3, #a, 2 do
    local owner = owner_of(a[i])
    if owner ~= '' and owner ~= run and connected[owner] == nil then connected[owner] = is_connected(owner) end
    local is_free = owner == '' or connected[owner] == false
    if is_free then redis.call('HSET', CLIENTS, a[i], run .. user_of(a[i + 1])) end
    reply[#reply + 1] = (is_free or owner == run) and '' or owner
  end
  return reply
end

-- release run generation clientId …: those that are this node's are nobody's
local function release(_, a)
  local run = a[1]
  if not is_run(run) then return fail('ARGUMENT release run generation clientId…') end
  local problem = check_begun(run, a[2])
  if problem then return problem end
  for i = 3, #a do
    if owner_of(a[i]) == run then redis.call('HDEL', CLIENTS, a[i]) end
  end
  return 1
end

-- pass run generation from to word clientId … -> for each 1, as a text = it is that node's now | 0 = another one has claimed it
-- The node hears `word` and this text behind it.
local function pass(_, a)
  local run, from, to, word = a[1], a[3], a[4], a[5]
  if not is_run(run) or not is_run(from) or not is_run(to) or not word then
    return fail('ARGUMENT pass run generation from to word clientId…')
  end
  local problem = check_begun(run, a[2])
  if problem then return problem end
  local passed = {}
  for i = 6, #a do
    local owner, _, user = owner_of(a[i])
    -- The call may be the same once more.
    passed[i - 5] = (owner == from or owner == to) and '1' or '0'
    if owner == from then redis.call('HSET', CLIENTS, a[i], to .. ON_ITS_WAY .. user) end
  end
  local text = table.concat(passed)
  if word ~= '' then redis.call('PUBLISH', channel_of(to), word .. text) end
  return text
end

-- sweep run cursor -> next cursor, 0 = that was all: client ids of nodes that are not connected to this server go
-- One that stands still hears, when it goes on, who has claimed what; one that connects again says `keep`.
local function sweep(_, a)
  if not is_run(a[1]) or not tonumber(a[2]) then return fail('ARGUMENT sweep run cursor') end
  local found = redis.call('HSCAN', CLIENTS, a[2], 'COUNT', SWEPT)
  local connected = {}
  for i = 1, #found[2], 2 do
    local owner = sub(found[2][i + 1], 1, RUN_BYTES)
    if connected[owner] == nil then connected[owner] = is_connected(owner) end
    if not connected[owner] then redis.call('HDEL', CLIENTS, found[2][i]) end
  end
  return found[1]
end

-- mark run other word -> 1 = both hear `word` at the same point of the order of all that is published: what comes before it
-- there comes before it here | 0 = one is not connected, and none hears it
local function mark(_, a)
  local run, other, word = a[1], a[2], a[3]
  if not is_run(run) or not is_run(other) or not word then return fail('ARGUMENT mark run other word') end
  if not is_connected(run) or not is_connected(other) then return 0 end
  redis.call('PUBLISH', channel_of(run), word)
  redis.call('PUBLISH', channel_of(other), word)
  return 1
end

-- put key index ageMs bytes: also where memory is full, which an away session must not wait for
local function put(_, a)
  redis.call('SET', PARCEL .. a[1] .. ':' .. a[2], a[4], 'PX', a[3])
  return 1
end

register('claim', claim, { 'allow-oom' })
register('keep', keep, { 'allow-oom' })
register('release', release, { 'allow-oom' })
register('pass', pass, { 'allow-oom' })
register('sweep', sweep, { 'allow-oom' })
register('mark', mark, { 'allow-oom' })
register('put', put, { 'allow-oom' })
