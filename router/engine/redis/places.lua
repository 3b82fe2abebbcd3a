-- Places: every message gets a number of microseconds that no message of this shard had before.
--
--   seq = max(seq + 1, TIME)
--
-- So a number is not given twice by a server that comes back with an older snapshot: time has gone on. A server that
-- finds another run in the meta hash than its own (restart, restored snapshot, promoted replica, lost key) begins a new
-- generation first: nothing is known of what was given before `begin`, and cursors below it are told so.
--
-- Hash <name>:meta: format; run of the redis-server; seq; begin; cluster, index, count (which shard of which list);
-- rules and limits of the nodes, for what other programs send; g<run>, l<run>, r<run> of each node.

local NAME = '@name@'
local FORMAT = '1'
local META = NAME .. ':meta'
local NODES = NAME .. ':nodes' -- sorted set of the runs of nodes, by when each was heard of, ms

-- A clock that is less than this behind the last place counts as right: a batch takes a microsecond a message.
local AHEAD_US = 1000

local pack_place = function(place) return struct.pack('>I8', place) end
local place_of = function(entry) return (struct.unpack('>I8', entry)) end

local function fail(text)
  return redis.error_reply('-' .. text)
end

local function now_us()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

-- The Lua state lives as long as the process: asked once, it is true for ever.
local run_of_server
local function server_run()
  if not run_of_server then
    run_of_server = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
  end
  return run_of_server
end

-- @param above a place that some node has seen: a promoted replica may not know of it, and its clock may be behind
-- @return seq, or nil and an error reply
local function begin_generation(now, above)
  local format = redis.call('HGET', META, 'format')
  if format and format ~= FORMAT then
    return nil, fail('FORMAT the data in Redis has format ' .. format .. ', this version reads ' .. FORMAT)
  end
  local seq = tonumber(redis.call('HGET', META, 'seq') or 0)
  local begin = math.max(seq + 1, above + 1, now)
  redis.call('HSET', META, 'format', FORMAT, 'run', server_run(), 'seq', begin, 'begin', begin,
    'ahead', begin - now, 'top', begin)
  return begin
end

-- Where the clock was set back, places run ahead of it: how far, and up to which place, is noted, as what is kept
-- expires by the clock. See age_floor.
local function note_ahead(now, seq)
  local noted = redis.call('HGET', META, 'ahead')
  redis.call('HSET', META, 'top', seq, 'ahead', math.max(tonumber(noted or 0), seq - now))
end

-- Gives `count` places. @return the first of them
local function give_places(now, seq, count)
  local first = math.max(seq + 1, now)
  if first - now > AHEAD_US then note_ahead(now, first + count - 1) end
  return first
end

-- What is older has expired: its place is at most this. A message that was given a place ahead of the clock expires
-- while its place is still young, so then the floor is higher.
local function age_floor(now, age_ms, top, ahead)
  local old = now - age_ms * 1000
  if old >= top then return old end
  return math.max(old, math.min(top, old + ahead))
end
