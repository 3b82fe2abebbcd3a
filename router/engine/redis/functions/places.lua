-- Places: every message gets a number of microseconds that no message of this shard had before.
--
--   seq = max(seq + 1, TIME)
--
-- So a number is not given twice by a server that comes back with an older snapshot: time has gone on. A server that did not
-- write itself what it finds (restart, restored snapshot, promoted replica, lost key) begins a new generation first: nothing
-- is known of what was given before `begin`, and cursors below it are told so.
--
--   <name>:seq:<server>:<rules>   the last place. One GET tells all: it is there under this name only where this server began
--                                 the generation, and the last message was kept under these rules of history.
--   <name>:reports                hash run -> `time in ms` `JSON`, what nodes of the list say of themselves
--   <name>:meta                   hash: format; server; key of the last place; begin; top and ahead (clock); rules, since, and
--                                 their text; limits; cluster, index, count (which shard of which list); version (nodes)

-- A global is looked up by its name each time, and so is what is in it. While functions are loaded there is none of these yet.
local call, try_call, pack, unpack_place, byte, sub, find

-- @param flags of a function, as Redis knows them
local function register(name, callback, flags)
  local function awake(keys, a)
    if not call then
      call, try_call, pack, unpack_place = redis.call, redis.pcall, struct.pack, struct.unpack
      byte, sub, find = string.byte, string.sub, string.find
    end
    return callback(keys, a)
  end
  redis.register_function({ function_name = '@prefix@' .. name, callback = awake, flags = flags })
end

local NAME = '@name@'
-- Of the data.
local FORMAT = '2'
local META = NAME .. ':meta'
local SEQ = NAME .. ':seq:'
local REPORTS = NAME .. ':reports'
local NO_RULES = '0'

-- A clock that is less than this behind the last place counts as right: a batch takes a microsecond a message.
local AHEAD_US = 1000

local function fail(text)
  return redis.error_reply('-' .. text)
end

-- @return nil, or an error reply
local function check_format(format)
  if not format or format == FORMAT then return nil end
  return fail('FORMAT the data in Redis has format ' .. format .. ', and this version of Encke reads ' .. FORMAT)
end

local GONE = 'SUPERSEDED what nodes began is not known any more: begin again'

-- Of a node.
local function is_run(run)
  return run and #run == 16 and not find(run, '[^0-9a-f]')
end

local function pack_place(place)
  return pack('>I8', place)
end

local function place_of(entry)
  return (unpack_place('>I8', entry))
end

-- Within a script it stands still, and keys expire by it.
local clock_us
local function now_us()
  local time = call('TIME')
  clock_us = time[1] * 1000000 + time[2]
  return clock_us
end

-- Another one for each process, and for each time that a replica is promoted in it: then the replication id of its former
-- master is its second. The first id changes when a replica comes to a server that had none, which is no new beginning.
local function server_token()
  local run = string.match(call('INFO', 'server'), 'run_id:(%x+)')
  local replication = call('INFO', 'replication')
  local former = string.match(replication, 'master_replid2:(%x+)')
  local promoted = string.match(replication, 'second_repl_offset:(-?%d+)')
  return string.sub(redis.sha1hex(run .. former .. promoted), 1, 12)
end

-- As it was when this library last looked.
local own_token

-- The highest place that was given by this library. Where the data has gone back behind it, that is noticed.
local given = 0

-- Called where a generation begins, as the data may have gone back.
local forget_expiries

-- Where the last place is not found as expected: a generation begins, or the rules have changed.
-- @param rules digest of those that messages will be kept under; nil = as they are
-- @param above of `begin`, a place that its node has seen: a promoted replica may not know of it, and its clock may be behind.
--   nil of all others: where it is not known which shard this is, as all data are gone, they are to begin again
-- @return key of the last place, and that; or nil and an error reply
local function settle(now, rules, above)
  local token = server_token()
  own_token = token
  local m = call('HMGET', META, 'format', 'server', 'key', 'rules', 'begin', 'cluster')
  local problem = check_format(m[1])
  if problem then return nil, problem end
  if not above and not m[6] then return nil, fail(GONE) end
  above = above or 0
  rules = rules or m[4] or NO_RULES
  local key = SEQ .. token .. ':' .. rules
  local seq = m[3] and tonumber(call('GET', m[3]))
  if m[2] == token and seq and seq >= given and seq >= above then
    if m[3] ~= key then
      call('RENAME', m[3], key)
      -- Before this, less may have been kept than these rules say.
      call('HSET', META, 'key', key, 'rules', rules, 'since', seq)
    end
    given = seq
    return key, seq
  end
  local begin = math.max((seq or 0) + 1, tonumber(m[5] or 0) + 1, above + 1, given + 1, now)
  if m[3] then call('DEL', m[3]) end
  call('SET', key, string.format('%.0f', begin))
  call('HSET', META, 'format', FORMAT, 'server', token, 'key', key, 'rules', rules, 'since', begin, 'begin', begin,
    'top', begin, 'ahead', begin - now)
  given = begin
  forget_expiries()
  return key, begin
end

-- Writes nothing, so it is answered too where a server takes no writes.
-- @param key of the last place as this caller knows it
-- @return that, or nil where it is not found as expected: nodes are to begin again
local function last_place(key)
  local seq = tonumber(call('GET', key))
  if not seq then
    -- Kept under other rules since.
    local m = call('HMGET', META, 'server', 'key')
    seq = m[1] == own_token and m[2] and tonumber(call('GET', m[2]))
  end
  if seq and seq >= given then return seq end
end

-- Where the clock was set back, places run ahead of it: how far, and up to which place, is noted, as what is kept expires by
-- the clock. See age_floor.
local function note_ahead(now)
  local noted = call('HGET', META, 'ahead')
  call('HSET', META, 'top', given, 'ahead', math.max(tonumber(noted or 0), given - now))
end

-- Gives `count` places. As a rule one INCRBY (0.5 µs) both asks for the last one and gives those behind it.
-- @return the first of them and the key of the last place; or nil and an error reply
local function give_places(now, key, rules, count)
  local last = math.max(given + 1, now) + count - 1
  local step = last - given
  local top = key and call('INCRBY', key, step)
  if top ~= last then
    local seq = top and top - step
    if not top or seq < given or seq == 0 then
      -- It is not there, or is older than it was.
      if seq == 0 then call('DEL', key) elseif seq then call('INCRBY', key, -step) end
      key, seq = settle(now, rules)
      if not key then return nil, seq end
      top = seq
    end
    last = math.max(seq + 1, now) + count - 1
    call('INCRBY', key, last - top)
  end
  given = last
  local first = last - count + 1
  if first - now > AHEAD_US then note_ahead(now) end
  return first, key
end

-- What is older has expired: its place is at most this. A message that got a place ahead of the clock expires while its place
-- is still young, so then the floor is higher.
local function age_floor(now, age_ms, top, ahead)
  local old = now - age_ms * 1000
  if old >= top then return old end
  return math.max(old, math.min(top, old + ahead))
end
