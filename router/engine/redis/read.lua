-- What a node asks of Redis.

-- place run, and 1 where the node has filters -> seq, begin, version of the list of nodes, time in ms
-- All that was published before this was answered has a place up to seq; the node is alive.
local function place(_, a)
  local run = a[1]
  if not is_run(run) then return fail('ARGUMENT place run') end
  local now = now_us()
  local node = nodes[run]
  if node then node.seen = now end
  if a[2] == '1' then expect_filters(now) end
  local key, seq = last_place(now, node and node.key)
  if not key then return seq end
  local m = call('HMGET', META, 'begin', 'version')
  local now_ms = math.floor(now / 1000)
  hear_of(run, now_ms)
  return { seq, tonumber(m[1]), tonumber(m[2] or 0), now_ms }
end

-- The first of the entries, newest first, that is not behind `after`. @return its index, or the length
local function first_not_behind(key, length, after)
  local low, high = 0, length
  while low < high do
    local middle = math.floor((low + high) / 2)
    if place_of(call('LINDEX', key, middle)) > after then low = middle + 1 else high = middle end
  end
  return low
end

-- Entries are read in pieces of so many, oldest first, until there are bytes enough.
local PIECE = 100

-- What is there is given below base_floor, too, where nobody knows whether it is complete.
-- @return { floor, 1 = that is all | 0 = there is more behind the last entry, entries … }, bytes
local function read_id(id, after, rule, base_floor, now, m, bytes_max)
  local key = HISTORY .. id
  local length = call('LLEN', key)
  local bottom = age_floor(now, rule.age_ms, m.top, m.ahead)
  local reply = { math.max(base_floor, bottom), 1 }
  if length == 0 then return reply, 0 end
  if length > rule.messages then
    bottom = math.max(bottom, place_of(call('LINDEX', key, rule.messages)))
    reply[1] = math.max(base_floor, bottom)
  end
  local bytes = 0
  local last = first_not_behind(key, length, math.max(after, bottom)) - 1
  while last >= 0 do
    local first = math.max(0, last - PIECE + 1)
    local entries = call('LRANGE', key, first, last)
    for i = #entries, 1, -1 do
      if bytes > 0 and bytes + #entries[i] > bytes_max then
        reply[2] = 0
        return reply, bytes
      end
      bytes = bytes + #entries[i]
      reply[#reply + 1] = entries[i]
    end
    last = first - 1
  end
  return reply, bytes
end

-- read run bytesMax, and for each id: id after rule
--   -> seq, begin, and for each id in that order: { floor, 1 or 0, entries (place body) oldest first … }
-- Nothing is missing behind max(after, floor), up to seq. Past bytesMax it stops: an id with 0 has more behind its last entry, and
-- ids that are not in the reply were not read. At least one entry is given where there is any.
local function read(_, a)
  local run, bytes_max = a[1], tonumber(a[2])
  local count = (#a - 2) / 3
  if not is_run(run) or not bytes_max or count % 1 ~= 0 then return fail('ARGUMENT read run bytesMax, then id after rule of each id') end
  local now = now_us()
  local node = nodes[run]
  local m = call('HMGET', META, 'key', 'begin', 'since', 'top', 'ahead')
  local seq = node and m[1] and tonumber(call('GET', m[1]))
  if not seq then return fail('SUPERSEDED this node has not begun, or what it began is not known any more') end
  local meta = { top = tonumber(m[4]), ahead = tonumber(m[5]) }
  local base_floor = math.max(tonumber(m[2]), tonumber(m[3]))
  -- Other nodes write under other rules: how much they keep is not known here.
  if m[1] ~= node.key then base_floor = seq end
  local reply = { seq, tonumber(m[2]) }
  local left = bytes_max
  for i = 1, count do
    local at = i * 3
    local after = tonumber(a[at + 1])
    local rule, problem = rule_of(a[at + 2])
    if not after or not rule then return fail(problem or 'ARGUMENT read wants a number and a rule of each id') end
    if left <= 0 then return reply end
    local part, bytes = read_id(a[at], after, rule, base_floor, now, meta, left)
    reply[#reply + 1] = part
    if part[2] == 0 then return reply end
    left = left - bytes
  end
  return reply
end
