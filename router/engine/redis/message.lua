-- One message: kept in the history of its id, and its copies.
--
--   <name>:h:<id>   list, newest first, of place (8 bytes) body: at least one more than the rule keeps, as the one behind the
--                   oldest that is given only says from where on that is complete
--   <name>:k:<length of the id>:<id>:<Idempotency-Key>   `place copies` of the first message with that key

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

-- @param channels of filters that somebody has, or nil
-- @return how many copies went out, not counting those on the channel of what is retained; or nil and what went wrong
local function send_out(place, id, rule, head, body, channels)
  local packed = pack_place(place)
  if rule then
    local problem = keep_history(id, packed .. body, rule)
    if problem then return nil, problem end
  end
  local copies = call('PUBLISH', ID_CHANNEL .. id, packed .. head .. body)
  local copy
  if channels then
    copy = packed .. pack('>I2', #id) .. id .. head .. body
    for i = 1, #channels do copies = copies + call('PUBLISH', channels[i], copy) end
  end
  if (byte(body) or 0) >= RETAIN_FLAG then
    keep_retained(id, place, body)
    call('PUBLISH', RETAINED_CHANNEL, copy or packed .. pack('>I2', #id) .. id .. head .. body)
  end
  return copies
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
