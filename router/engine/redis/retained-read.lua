-- Reading what is retained, in pages, by the place of the last change of each id.

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
  if not seq then return fail('SUPERSEDED nobody has begun') end
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

-- restore run, and for each id: id body -> number of those that were not known, and are now
-- For a node that finds less in Redis than it had: a server that lost its data has nothing that was retained before.
local function restore(_, a)
  local node = nodes[a[1]]
  local count = (#a - 1) / 2
  if not node or count % 1 ~= 0 then return fail('SUPERSEDED this node has not begun') end
  local now = now_us()
  local unknown = {}
  for i = 1, count do
    local id, body = a[i * 2], a[i * 2 + 1]
    local known = #body < 2 or call('HEXISTS', RETAINED, id) == 1 or call('ZSCORE', CLEARED_PLACES, id)
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
