-- What a node asks of Redis.

-- place run, and 1 where the node has filters -> seq, begin, time in ms
-- All that was published before this was answered has a place up to seq.
local function place(_, a)
  local run = a[1]
  if not is_run(run) then return fail('ARGUMENT place run') end
  local node = nodes[run]
  if not node then return fail(GONE) end
  local now = now_us()
  node.seen = now
  if a[2] == '1' then expect_filters(now) end
  local seq, begin = last_place(node.key), tonumber(call('HGET', META, 'begin'))
  if not seq or not begin then return fail(GONE) end
  return { seq, begin, math.floor(now / 1000) }
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
  if not seq then return fail(GONE) end
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

-- What is retained is read in pages, by the place of the last change of each id.
local PAGE_IDS = 500

-- @return ids with a place behind `after`, and these, by place; the last place that the page tells all of, or nil for all
local function changes_behind(key, after)
  local found = call('ZRANGE', key, '(' .. string.format('%.0f', after), '+inf', 'BYSCORE', 'LIMIT', 0, PAGE_IDS,
    'WITHSCORES')
  local changes = {}
  for i = 1, #found, 2 do
    changes[#changes + 1] = { id = found[i], place = tonumber(found[i + 1]) }
  end
  return changes, #changes == PAGE_IDS and changes[PAGE_IDS].place or nil
end

local function by_place(one, other)
  return one.place < other.place
end

-- retained after bytesMax -> floor, next, 1 = that is all | 0 = go on behind next, and for each change: id, entry
-- An entry is place (8 bytes) body; the place alone where the id was cleared. Who asks behind less than floor has missed what was
-- cleared: it reads from 0 on, and what is not there is not retained any more.
local function retained(_, a)
  local after, bytes_max = tonumber(a[1]), tonumber(a[2])
  if not after or not bytes_max then return fail('ARGUMENT retained after bytesMax') end
  local m = call('HMGET', META, 'key', 'begin', 'cleared')
  local seq = m[1] and tonumber(call('GET', m[1]))
  if not seq then return fail(GONE) end
  local kept, kept_until = changes_behind(RETAINED_PLACES, after)
  local cleared, cleared_until = changes_behind(CLEARED_PLACES, after)
  local last = math.min(kept_until or seq, cleared_until or seq)
  for i = 1, #cleared do kept[#kept + 1] = cleared[i] end
  table.sort(kept, by_place)
  local reply = { math.max(tonumber(m[2]), tonumber(m[3] or 0)), last, (kept_until or cleared_until) and 0 or 1 }
  local bytes = 0
  for i = 1, #kept do
    local change = kept[i]
    if change.place > last then return reply end
    local entry = call('HGET', RETAINED, change.id) or pack_place(change.place)
    if bytes > 0 and bytes + #entry > bytes_max then
      reply[2], reply[3] = kept[i - 1].place, 0
      return reply
    end
    bytes = bytes + #entry + #change.id
    reply[#reply + 1] = change.id
    reply[#reply + 1] = entry
  end
  return reply
end

local CLEARED_AGE_US = 3600 * 1000000
local CLEARED_MAX = 100000

-- Forgets ids that were cleared long ago, or most of them where they are too many.
local function trim_cleared(now)
  local last = math.max(now, given) - CLEARED_AGE_US
  local beyond = call('ZCARD', CLEARED_PLACES) - (retained_max or CLEARED_MAX)
  if beyond > 0 then
    local newest = call('ZRANGE', CLEARED_PLACES, beyond - 1, beyond - 1, 'WITHSCORES')
    last = math.max(last, tonumber(newest[2]))
  end
  if call('ZREMRANGEBYSCORE', CLEARED_PLACES, '-inf', last) > 0 then call('HSET', META, 'cleared', last) end
end

-- restore run, and for each id: id body -> number of those that were not known, and are now
-- For a node that finds less in Redis than it had: a server that lost its data has nothing that was retained before.
local function restore(_, a)
  local node = nodes[a[1]]
  local count = (#a - 1) / 2
  if not node or count % 1 ~= 0 then return fail(GONE) end
  local now = now_us()
  local unknown = {}
  for i = 1, count do
    local id, body = a[i * 2], a[i * 2 + 1]
    local known = not has_payload(body) or call('HEXISTS', RETAINED, id) == 1 or call('ZSCORE', CLEARED_PLACES, id)
    if not known then unknown[#unknown + 1] = { id = id, body = body } end
  end
  if #unknown == 0 then return 0 end
  local first, key = give_places(now, node.key, node.rules, #unknown)
  if not first then return key end
  for i = 1, #unknown do
    local id, body = unknown[i].id, unknown[i].body
    keep_retained(id, first + i - 1, body)
    call('PUBLISH', RETAINED_CHANNEL, pack_place(first + i - 1) .. pack('>I2', #id) .. id .. '\0' .. body)
  end
  return #unknown
end

register('place', place, { 'no-writes' })
register('read', read, { 'no-writes' })
register('retained', retained, { 'no-writes' })
register('restore', restore, {})
