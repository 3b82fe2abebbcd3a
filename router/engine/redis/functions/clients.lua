-- Which node has which MQTT client, and what goes from node to node with it.
--
--   <name>:c            hash: client id -> run of its node, and behind it: + = its session is on its way there;
--                       < and a run = the node that had it before, until that node has claimed it again
--   <name>:o:<key>:<n>  string: part of what is too long for one PUBLISH, for a minute
--
-- Words to nodes begin with a letter and 16 hex digits, the run of the node that they come from; see nodes.ts.

local CLIENTS = NAME .. ':c'
local ON_ITS_WAY = '+'
local BEFORE = '<'
local PARCEL = NAME .. ':o:'
local RUN_BYTES = 16
-- Client ids that are looked at by one `sweep`.
local SWEPT = 200

local function owner_of(id)
  local owner = redis.call('HGET', CLIENTS, id)
  if not owner then return '', '' end
  return sub(owner, 1, RUN_BYTES), sub(owner, RUN_BYTES + 1)
end

-- Only the first server has the list of nodes. One that stands still stays connected.
local function is_connected(run)
  return redis.call('PUBSUB', 'NUMSUB', channel_of(run))[2] > 0
end

-- claim run, and for each: 1 = with a clean session | 0, and a + where it is the same claim once more; client id
-- -> number of the call, and for each: run of the node before | '', how many of its connections heard of it; of this node
-- itself, 1 = its session is on its way here
local function claim(_, a)
  local run = a[1]
  if not is_run(run) or #a % 2 ~= 1 then return fail('ARGUMENT claim run, then clean clientId of each') end
  local number = redis.call('HINCRBY', META, 'claims', 1)
  local reply, owners, wanted = { number }, {}, {}
  for i = 2, #a, 2 do
    local clean, again, id = sub(a[i], 1, 1), #a[i] > 1, a[i + 1]
    local owner, mark = owner_of(id)
    if again and owner == run and sub(mark, 1, 1) == BEFORE then owner = sub(mark, 2) end
    redis.call('HSET', CLIENTS, id, (owner == '' or owner == run) and run or run .. BEFORE .. owner)
    reply[i], reply[i + 1] = owner, owner == run and mark == ON_ITS_WAY and 1 or 0
    if owner ~= '' and owner ~= run then
      if not wanted[owner] then owners[#owners + 1], wanted[owner] = owner, { 'W' .. run .. number } end
      table.insert(wanted[owner], clean .. id)
    end
  end
  local heard = {}
  for _, owner in ipairs(owners) do
    heard[owner] = redis.call('PUBLISH', channel_of(owner), table.concat(wanted[owner], '\0'))
  end
  for i = 2, #a, 2 do reply[i + 1] = heard[reply[i]] or reply[i + 1] end
  return reply
end

-- keep run clientId … -> for each: '' = it is this node's, now if nobody's before | run of the node that has it
-- A node that is not connected has none.
local function keep(_, a)
  local run = a[1]
  if not is_run(run) then return fail('ARGUMENT keep run clientId…') end
  local reply, connected = {}, {}
  for i = 2, #a do
    local owner = owner_of(a[i])
    if owner ~= '' and owner ~= run and connected[owner] == nil then connected[owner] = is_connected(owner) end
    local is_free = owner == '' or connected[owner] == false
    if is_free then redis.call('HSET', CLIENTS, a[i], run) end
    reply[i - 1] = (is_free or owner == run) and '' or owner
  end
  return reply
end

-- release run clientId …: those that are this node's are nobody's
local function release(_, a)
  local run = a[1]
  if not is_run(run) then return fail('ARGUMENT release run clientId…') end
  for i = 2, #a do
    if owner_of(a[i]) == run then redis.call('HDEL', CLIENTS, a[i]) end
  end
  return 1
end

-- pass run to word clientId … -> for each 1, as a text = it is that node's now | 0 = another one has claimed it
-- The node hears `word` and this text behind it.
local function pass(_, a)
  local run, to, word = a[1], a[2], a[3]
  if not is_run(run) or not is_run(to) or not word then return fail('ARGUMENT pass run to word clientId…') end
  local passed = {}
  for i = 4, #a do
    local owner = owner_of(a[i])
    -- The call may be the same once more.
    passed[i - 3] = (owner == run or owner == to) and '1' or '0'
    if owner == run then redis.call('HSET', CLIENTS, a[i], to .. ON_ITS_WAY) end
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

-- put key index ageMs bytes
local function put(_, a)
  redis.call('SET', PARCEL .. a[1] .. ':' .. a[2], a[4], 'PX', a[3])
  return 1
end

-- take key index -> the bytes | nil
local function take(_, a)
  return redis.call('GET', PARCEL .. a[1] .. ':' .. a[2])
end

-- drop key count
local function drop(_, a)
  for index = 0, a[2] - 1 do redis.call('DEL', PARCEL .. a[1] .. ':' .. index) end
  return 1
end
