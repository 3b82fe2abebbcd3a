-- The friends graph, and copies of a message for ids that follow another one.
--
--   <name>:g:s:<id>   sorted set of the ids that it follows, all with score 0: in order of their bytes, and pages go on behind any id
--   <name>:g:f:<id>   sorted set of the ids that follow it
--   <name>:g:ids      sorted set of the ids here that follow another one
--   <name>:g          hash: ids, edges (of the ids here)
--
-- Both lists of an id are on its server. An edge whose ids are on two servers is in one list of each, by two calls.

local GRAPH = NAME .. ':g'
local FOLLOWED = NAME .. ':g:s:'
local FOLLOWERS = NAME .. ':g:f:'
local FOLLOWING_IDS = NAME .. ':g:ids'

-- Changes of both counts by this call, which writes them once at its end.
local more_ids, more_edges

-- @param own, other both lists of one id
-- @param count of the own list before, where it is known
-- @return 1 = it was not there
local function add_member(own, other, member, count)
  local added = call('ZADD', own, 0, member)
  if added == 1 and (count or call('ZCARD', own) - 1) == 0 and call('ZCARD', other) == 0 then more_ids = more_ids + 1 end
  return added
end

local function remove_member(own, other, member)
  local removed = call('ZREM', own, member)
  if removed == 1 and call('ZCARD', own) == 0 and call('ZCARD', other) == 0 then more_ids = more_ids - 1 end
  return removed
end

-- @return as add_member; -1 = it follows as many as an id may
local function follow(subscriber, subscribee, most)
  local own = FOLLOWED .. subscriber
  local count = call('ZCARD', own)
  if count >= most and not call('ZSCORE', own, subscribee) then return -1 end
  local added = add_member(own, FOLLOWERS .. subscriber, subscribee, count)
  more_edges = more_edges + added
  if added == 1 and count == 0 then call('ZADD', FOLLOWING_IDS, 0, subscriber) end
  return added
end

local function unfollow(subscriber, subscribee)
  local own = FOLLOWED .. subscriber
  local removed = remove_member(own, FOLLOWERS .. subscriber, subscribee)
  more_edges = more_edges - removed
  if removed == 1 and call('ZCARD', own) == 0 then call('ZREM', FOLLOWING_IDS, subscriber) end
  return removed
end

-- relate most, and for each edge: what subscriber subscribee
--   -> for each edge: 1 = changed, 0 = it was so before, -1 = its subscriber follows as many as an id may
-- @param what + or - and the lists that are here: s = of the subscriber, f = of the subscribee, b = both
local function relate(_, a)
  local most = tonumber(a[1])
  if not most or #a < 4 or (#a - 1) % 3 ~= 0 then return fail('ARGUMENT relate most, then what subscriber subscribee of each edge') end
  local reply = {}
  more_ids, more_edges = 0, 0
  for at = 2, #a, 3 do
    local what, subscriber, subscribee = a[at], a[at + 1], a[at + 2]
    local adds, lists = byte(what) == 43, sub(what, 2)
    local changed = 0
    if lists ~= 'f' then
      if adds then changed = follow(subscriber, subscribee, most) else changed = unfollow(subscriber, subscribee) end
    end
    if lists ~= 's' and changed >= 0 then
      local change = adds and add_member or remove_member
      changed = math.max(changed, change(FOLLOWERS .. subscribee, FOLLOWED .. subscribee, subscriber))
    end
    reply[#reply + 1] = changed
  end
  if more_ids ~= 0 then call('HINCRBY', GRAPH, 'ids', more_ids) end
  if more_edges ~= 0 then call('HINCRBY', GRAPH, 'edges', more_edges) end
  return reply
end

-- @param after '' at the beginning @return the next ids of a sorted set, in order of their bytes
local function page_of(key, after, most)
  return call('ZRANGE', key, after == '' and '-' or '(' .. after, '+', 'BYLEX', 'LIMIT', 0, most)
end

-- related list id after most -> length of the whole list, and up to `most` ids of it
-- @param list s = those that it follows, f = those that follow it
local function related(_, a)
  local list, id, after, most = unpack(a)
  if #a ~= 4 or not tonumber(most) then return fail('ARGUMENT related list id after most') end
  local key = (list == 's' and FOLLOWED or FOLLOWERS) .. id
  return { call('ZCARD', key), page_of(key, after, most) }
end

-- edges after most -> for each of the next ids here that follow others: itself, and the list of those; of whole ids, until there
--   are `most` edges or a few more
local function edges(_, a)
  local after, most = a[1], tonumber(a[2])
  if #a ~= 2 or not most then return fail('ARGUMENT edges after most') end
  local reply, count = {}, 0
  for _, id in ipairs(page_of(FOLLOWING_IDS, after, most)) do
    if count >= most then break end
    local followed = call('ZRANGE', FOLLOWED .. id, 0, -1)
    count = count + #followed
    reply[#reply + 1] = id
    reply[#reply + 1] = followed
  end
  return reply
end

-- copies run generation notAfterMs head body, and ids -> how many copies went out: one message to many ids, without history
local COPIES_MAX = 1000
local function copies(_, a)
  local not_after_ms, count = tonumber(a[3]), #a - 5
  if not not_after_ms or count < 1 or count > COPIES_MAX then
    return fail('ARGUMENT copies run generation notAfterMs head body, then up to 1000 ids')
  end
  local now, node = begun_in_time(a[1], a[2], not_after_ms)
  if not now then return node end
  local first, key = give_places(now, node.key, node.rules, count)
  if not first then return key end
  node.key, node.seen = key, now
  local rest, sent = a[4] .. a[5], 0
  for i = 1, count do
    sent = sent + call('PUBLISH', ID_CHANNEL .. a[5 + i], pack_place(first + i - 1) .. rest)
  end
  return sent
end

register('relate', relate, {})
register('related', related, { 'no-writes' })
register('edges', edges, { 'no-writes' })
register('copies', copies, { 'allow-oom' })
