-- Which node has which MQTT client, and what goes from node to node with it.
--
--   <name>:c          hash: client id -> run of its node; with a + behind it where its session is on its way there
--   <name>:o:<key>    list: what is too long for one PUBLISH, for a minute
--
-- Words to nodes begin with a letter and 16 hex digits, the run of the node that they come from; see nodes.ts.

local CLIENTS = NAME .. ':c'
local ON_ITS_WAY = '+'
local PARCEL = NAME .. ':o:'
local RUN_BYTES = 16
-- Client ids that are looked at by one `sweep`.
local SWEPT = 200

local function owner_of(id)
  local owner = redis.call('HGET', CLIENTS, id)
  if not owner then return '', '' end
  return string.sub(owner, 1, RUN_BYTES), string.sub(owner, RUN_BYTES + 1)
end

-- claim run, and for each: 1 = with a clean session | 0, client id -> for each: run of the node before | '', how many of its
-- connections heard of it: 0 = it is not there; of this node itself, 1 = its session is on its way here
local function claim(_, a)
  local run = a[1]
  if not is_run(run) or #a % 2 ~= 1 then return fail('ARGUMENT claim run, then clean clientId of each') end
  local reply, owners, wanted = {}, {}, {}
  for i = 2, #a, 2 do
    local clean, id = a[i], a[i + 1]
    local owner, mark = owner_of(id)
    redis.call('HSET', CLIENTS, id, run)
    reply[i - 1], reply[i] = owner, owner == run and mark == ON_ITS_WAY and 1 or 0
    if owner ~= '' and owner ~= run then
      if not wanted[owner] then owners[#owners + 1], wanted[owner] = owner, {} end
      table.insert(wanted[owner], clean .. id)
    end
  end
  local heard = {}
  for _, owner in ipairs(owners) do
    heard[owner] = redis.call('PUBLISH', NAME .. ':n:' .. owner, 'W' .. run .. table.concat(wanted[owner], '\0'))
  end
  for i = 2, #a, 2 do reply[i] = heard[reply[i - 1]] or reply[i] end
  return reply
end

-- keep run clientId … -> for each: '' = it is this node's, now if nobody's before | run of the node that has it
local function keep(_, a)
  local run = a[1]
  if not is_run(run) then return fail('ARGUMENT keep run clientId…') end
  local reply = {}
  for i = 2, #a do
    local owner = owner_of(a[i])
    if owner == '' then redis.call('HSET', CLIENTS, a[i], run) end
    reply[i - 1] = owner == run and '' or owner
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
    passed[i - 3] = '0'
    if owner_of(a[i]) == run then
      redis.call('HSET', CLIENTS, a[i], to .. ON_ITS_WAY)
      passed[i - 3] = '1'
    end
  end
  local text = table.concat(passed)
  if word ~= '' then redis.call('PUBLISH', NAME .. ':n:' .. to, word .. text) end
  return text
end

-- sweep run cursor -> next cursor, 0 = that was all: client ids of nodes that are not connected to this server go
-- Only the first server has the list of nodes. One that stands still stays connected, and hears then who has claimed what;
-- one that connects again says `keep`.
local function sweep(_, a)
  if not is_run(a[1]) or not tonumber(a[2]) then return fail('ARGUMENT sweep run cursor') end
  local found = redis.call('HSCAN', CLIENTS, a[2], 'COUNT', SWEPT)
  local connected = {}
  for i = 1, #found[2], 2 do
    local owner = string.sub(found[2][i + 1], 1, RUN_BYTES)
    connected[owner] = connected[owner] or redis.call('PUBSUB', 'NUMSUB', NAME .. ':n:' .. owner)[2]
    if connected[owner] == 0 then redis.call('HDEL', CLIENTS, found[2][i]) end
  end
  return found[1]
end

-- mark run other word -> how many connections of the other node heard it
-- Both hear `word` at the same point of the order of all that is published: what comes before it there comes before it here.
local function mark(_, a)
  local run, other, word = a[1], a[2], a[3]
  if not is_run(run) or not is_run(other) or not word then return fail('ARGUMENT mark run other word') end
  redis.call('PUBLISH', NAME .. ':n:' .. run, word)
  return redis.call('PUBLISH', NAME .. ':n:' .. other, word)
end

-- put key ageMs bytes -> how many there are
local function put(_, a)
  local key = PARCEL .. a[1]
  local length = redis.call('RPUSH', key, a[3])
  redis.call('PEXPIRE', key, a[2])
  return length
end

-- take key index -> the bytes | nil
local function take(_, a)
  return redis.call('LINDEX', PARCEL .. a[1], a[2])
end

-- drop key
local function drop(_, a)
  return redis.call('DEL', PARCEL .. a[1])
end
