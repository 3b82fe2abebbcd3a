-- One message: what is kept of it, and its copies.
--
--   <name>:h:<id>   list, newest first, of place (8 bytes) body: at least one more than the rule keeps, as the one behind the
--                   oldest that is given only says from where on that is complete
--   <name>:k:<length of the id>:<id>:<Idempotency-Key>   `place copies` of the first message with that key
--   <name>:r:m      hash id -> place (8 bytes) body of what is retained, which every node has
--   <name>:r:z      sorted set of these ids by place
--   <name>:r:t      sorted set of ids that were cleared, by place, for an hour, and not more than may be retained; `cleared` of
--                   the meta hash: a node that knows less than that reads all
--   <name>:recent:<second>   ids of messages with history that got their places in that second, each with a 0 byte behind it; one
--                   batch lies in the second of its first message

local HISTORY = NAME .. ':h:'
local IDEMPOTENCY = NAME .. ':k:'
local IDEMPOTENCY_MS = 300000
-- Lists outlive what is given of them, so that a list that is gone held nothing above its floor.
local EXPIRY_SLACK_MS = 1000

-- A list is trimmed when it is this share longer than it has to be, and lives by this share longer than it has to: two calls less
-- for most messages.
local SLACK_SHARE = 8

-- `messages:ageMs` -> both as numbers; nil for no history
local rules = {}
local rules_count = 0
local function rule_of(text)
  if text == '' then return nil end
  local rule = rules[text]
  if rule then return rule end
  local messages, age_ms = string.match(text, '^(%d+):(%d+)$')
  if not messages then return nil, 'ARGUMENT a rule is messages:ageMs, got ' .. text end
  rule = { messages = tonumber(messages), age_ms = tonumber(age_ms) }
  rule.lasting_us = (rule.age_ms + EXPIRY_SLACK_MS) * 1000
  rule.expiry_ms = math.ceil(rule.age_ms * (1 + 1 / SLACK_SHARE)) + EXPIRY_SLACK_MS
  rule.length_max = rule.messages + 1 + math.floor(rule.messages / SLACK_SHARE)
  if rule.messages < 1 or rule.age_ms < 1 then return nil, 'ARGUMENT a rule keeps something, got ' .. text end
  if rules_count >= 2000 then rules, rules_count = {}, 0 end
  rules[text] = rule
  rules_count = rules_count + 1
  return rule
end

-- Lists of which it is known until when they live, by the server's clock: at least so long. Two tables, as the older half is
-- forgotten when there are too many (some 100 B each).
local EXPIRIES_MAX = 10000
local expiries, older_expiries, expiries_count = {}, {}, 0

function forget_expiries()
  expiries, older_expiries, expiries_count = {}, {}, 0
end

local function has_payload(body)
  if (byte(body) or 0) < EXTRAS_FLAG then return #body > 1 end
  return #body >= 6 and #body > 6 + unpack_place('>I4', body, 3)
end

-- @param is_new the list was not there
local function extend(key, rule, is_new)
  local expiry = not is_new and (expiries[key] or older_expiries[key])
  if expiry and expiry >= clock_us + rule.lasting_us then return end
  call('PEXPIRE', key, rule.expiry_ms)
  if expiries_count >= EXPIRIES_MAX then
    older_expiries, expiries, expiries_count = expiries, {}, 0
  end
  if not expiries[key] then expiries_count = expiries_count + 1 end
  expiries[key] = clock_us + rule.expiry_ms * 1000
end

-- @return nil, or what went wrong
local function keep_history(id, entry, rule)
  local key = HISTORY .. id
  local length = try_call('LPUSH', key, entry)
  if type(length) == 'table' then return length.err end
  if length > rule.length_max then call('LTRIM', key, 0, rule.messages) end
  extend(key, rule, length == 1)
end

local RETAINED = NAME .. ':r:m'
local RETAINED_PLACES = NAME .. ':r:z'
local CLEARED_PLACES = NAME .. ':r:t'

-- Of all ids; nil while no node has said. Past it no more are kept, here and on the nodes.
local retained_max

-- @param limits of a node
local function limit_retained(limits)
  retained_max = limits.retainedMax
end

local function keep_retained(id, place, body)
  if string.byte(id) == 36 then return end -- of a node: it goes with it
  if has_payload(body) then
    local is_full = retained_max and call('HLEN', RETAINED) >= retained_max
    if is_full and call('HEXISTS', RETAINED, id) == 0 then return end
    call('HSET', RETAINED, id, pack_place(place) .. body)
    call('ZADD', RETAINED_PLACES, place, id)
    call('ZREM', CLEARED_PLACES, id)
  elseif call('HDEL', RETAINED, id) == 1 then
    call('ZREM', RETAINED_PLACES, id)
    call('ZADD', CLEARED_PLACES, place, id)
  end
end

-- A node that lost its connection cannot know what its filters missed: which ids had a message is noted while a node has filters,
-- and for a minute after that; it is 1 µs a batch.
local RECENT = NAME .. ':recent:'
local RECENT_AGE_MS = 61000
-- Past it, nothing more is noted of that second, and who reads it knows.
local RECENT_BYTES_MAX = 1048576
-- Nobody knows what nodes have where this memory is new: it is noted at first.
local noted_until
local second, second_key, is_full

-- A node says that it has filters.
local function expect_filters(now)
  noted_until = now + RECENT_AGE_MS * 1000
end

-- Before the messages: should it break the script, nothing has been sent.
-- @param first place of the batch @param ids one or more, a table
-- @param always where nodes do not say what they have
local function note_recent(first, ids, always)
  if not noted_until then expect_filters(first) end
  if first > noted_until and not always then return end
  if not second or first >= second + 1000000 or first < second then
    second = first - first % 1000000
    second_key = RECENT .. string.format('%.0f', second / 1000000)
    is_full = false
  end
  if is_full then return end
  ids[#ids + 1] = ''
  local noted = table.concat(ids, '\0')
  local length = call('APPEND', second_key, noted)
  if length == #noted then call('PEXPIRE', second_key, RECENT_AGE_MS) end
  is_full = length > RECENT_BYTES_MAX
end

-- @param channels of filters that somebody has, or nil
-- It may break off, as where a right is missing: then it is not known what came before that.
-- @return how many copies went out, not counting those on the channel of what is retained; or nil and what went wrong: then
--   nothing has happened
local function send_out(place, id, rule, head, body, channels)
  local packed = pack_place(place)
  if rule then
    local problem = keep_history(id, packed .. body, rule)
    if problem then return nil, problem end
  end
  local is_retained = (byte(body) or 0) % EXTRAS_FLAG >= RETAIN_FLAG
  if is_retained then keep_retained(id, place, body) end
  local copies = call('PUBLISH', ID_CHANNEL .. id, packed .. head .. body)
  local copy
  if channels then
    copy = packed .. pack('>I2', #id) .. id .. head .. body
    for i = 1, #channels do copies = copies + call('PUBLISH', channels[i], copy) end
  end
  if is_retained then call('PUBLISH', RETAINED_CHANNEL, copy or packed .. pack('>I2', #id) .. id .. head .. body) end
  return copies
end

-- @param trouble as pcall gives it: of what Redis answered, its text
local function text_of(trouble)
  local text = type(trouble) == 'table' and trouble.err or tostring(trouble)
  return find(text, '^%u+ ') and text or 'ERR ' .. text
end

local function idempotency_key(id, key)
  return IDEMPOTENCY .. #id .. ':' .. id .. ':' .. key
end

-- @param key of the Idempotency-Key, or nil or false: each time
-- @return as send_out; where it is a repetition, the outcome of the first as text, and nothing is sent
local function send_once(key, place, ...)
  if not key then return send_out(place, ...) end
  local outcome = call('GET', key)
  if outcome then return outcome end
  local copies, trouble = send_out(place, ...)
  if copies then call('SET', key, string.format('%.0f %d', place, copies), 'PX', IDEMPOTENCY_MS) end
  return copies, trouble
end

-- What a caller must be allowed, for what these functions do inside. Redis itself says only that something is not.
local NEEDED = {
  { 'TIME' }, { 'INFO', 'server' }, { 'HMGET', META, 'key' }, { 'HGET', META, 'key' }, { 'HSET', META, 'key', '' },
  { 'GET', SEQ }, { 'SET', SEQ, '' }, { 'DEL', SEQ }, { 'INCRBY', SEQ, '1' }, { 'LPUSH', HISTORY, '' },
  { 'LTRIM', HISTORY, '0', '1' }, { 'PEXPIRE', HISTORY, '1' }, { 'APPEND', RECENT, '' },
  { 'PUBSUB', 'NUMSUB', ID_CHANNEL }, { 'PUBLISH', ID_CHANNEL, '' },
  { 'HGETALL', REPORTS }, { 'HDEL', RETAINED, '' }, { 'HLEN', RETAINED }, { 'HEXISTS', RETAINED, '' },
  { 'ZADD', RETAINED_PLACES, '0', '' }, { 'ZREM', RETAINED_PLACES, '' },
}

-- @return those of these commands that the caller may not use, as ACL SETUSER takes them
local function missing_of(needed)
  local missing = {}
  for i = 1, #needed do
    if not redis.acl_check_cmd(unpack(needed[i])) then
      local command = string.lower(needed[i][1])
      missing[#missing + 1] = '+' .. (command == 'pubsub' and 'pubsub|numsub' or command)
    end
  end
  return missing
end
