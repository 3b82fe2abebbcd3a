-- Channels, and what is published to them.
--
--   <name>:i:<id>        who has somebody logged in as the id:            place (8 bytes) head body
--   <name>:f:<prefix>    who has a filter with that literal part:         place, length of the id (2 bytes), id, head, body
--   <name>:r             all nodes, where the message is retained:        as f
--
-- The literal part of a filter ends behind the slash before its first wildcard: `user/+/x` and `user/#` -> `user/`, `#` and
-- `+/x` -> ``. The id `user/1` goes to the prefixes `user/1/` (for `user/1/#`, which matches its parent level), `user/` and
-- ``; an id that begins with $ does not go to `` [MQTT-4.7.2-1].
--
-- `head` is the publisher's and is not looked at here. `body` is a byte of flags (QoS in bits 0 and 1, 4 = retain) and the
-- payload.

local ID_CHANNEL = NAME .. ':i:'
local FILTER_CHANNEL = NAME .. ':f:'
local RETAINED_CHANNEL = NAME .. ':r'
local RETAIN_FLAG = 4

-- @return channels of the filters that may match an id, longest first
local function filter_channels(id)
  local channels = { FILTER_CHANNEL .. id .. '/' }
  local ends = {}
  local at = string.find(id, '/', 1, true)
  while at do
    ends[#ends + 1] = at
    at = string.find(id, '/', at + 1, true)
  end
  for i = #ends, 1, -1 do
    channels[#channels + 1] = FILTER_CHANNEL .. string.sub(id, 1, ends[i])
  end
  if string.byte(id) ~= 36 then channels[#channels + 1] = FILTER_CHANNEL end
  return channels
end

-- More would not fit the Lua stack.
local ASKED_MAX = 1000

-- Which of the channels that a batch may go to has anybody: asked in one call, as it cannot change within a script.
-- @param ids a set
-- @return id -> list of channels with subscribers, or nil where there is none
local function subscribed_filters(ids)
  local asked, owners = {}, {}
  local found = {}
  local function ask()
    local counts = redis.call('PUBSUB', 'NUMSUB', unpack(asked))
    for i = 1, #asked do
      if counts[i * 2] > 0 then
        local id = owners[i]
        local channels = found[id]
        if channels then channels[#channels + 1] = asked[i] else found[id] = { asked[i] } end
      end
    end
    asked, owners = {}, {}
  end
  for id in pairs(ids) do
    local channels = filter_channels(id)
    if #asked + #channels > ASKED_MAX then ask() end
    for i = 1, #channels do
      asked[#asked + 1] = channels[i]
      owners[#asked] = id
    end
  end
  if #asked > 0 then ask() end
  return found
end
