-- Channels, and what is published to them.
--
--   <name>:i:<id>        who has somebody logged in as the id:            place (8 bytes) head body
--   <name>:f:<prefix>    who has a filter with that literal part:         place, length of the id (2 bytes), id, head, body
--   <name>:r             all nodes, where the message is retained:        as f
--   <name>:f             who has any filter: nothing is published there, but it is asked whether anybody has one
--
-- The literal part of a filter ends behind the slash before its first wildcard: `user/+/x` and `user/#` -> `user/`, `#` and
-- `+/x` -> ``. The id `user/1` goes to the prefixes `user/1/` (for `user/1/#`, which matches its parent level), `user/` and
-- ``; an id that begins with $ does not go to `` [MQTT-4.7.2-1].
--
-- `head` is the publisher's and is not looked at here. `body` is a byte of flags (QoS in bits 0 and 1, 4 = retain, 8 = extras),
-- the extras, which are a version (1 byte), a length (4 bytes) and as many bytes, and the payload.

local ID_CHANNEL = NAME .. ':i:'
local FILTERS_CHANNEL = NAME .. ':f'
local FILTER_CHANNEL = NAME .. ':f:'
local RETAINED_CHANNEL = NAME .. ':r'
local RETAIN_FLAG = 4
local EXTRAS_FLAG = 8

-- @return channels of the filters that may match an id, longest first
local function filter_channels(id)
  local channels = { FILTER_CHANNEL .. id .. '/' }
  local ends, slash = {}, find(id, '/', 1, true)
  while slash do
    ends[#ends + 1] = slash
    slash = find(id, '/', slash + 1, true)
  end
  for i = #ends, 1, -1 do channels[#channels + 1] = FILTER_CHANNEL .. sub(id, 1, ends[i]) end
  if byte(id) ~= 36 then channels[#channels + 1] = FILTER_CHANNEL end
  return channels
end

-- More would not fit the Lua stack.
local ASKED_MAX = 1000

-- In few calls: an empty PUBLISH to each costs about the same for one message, and for a batch more.
-- @param lists of channels
-- @return channel -> number of its subscribers
local function subscribers_of(lists)
  local asked, counts = {}, {}
  for i = 1, #lists do
    for _, channel in ipairs(lists[i]) do
      if not counts[channel] then
        counts[channel] = 0
        asked[#asked + 1] = channel
      end
    end
  end
  for first = 1, #asked, ASKED_MAX do
    local reply = call('PUBSUB', 'NUMSUB', unpack(asked, first, math.min(#asked, first + ASKED_MAX - 1)))
    for i = 1, #reply, 2 do counts[reply[i]] = reply[i + 1] end
  end
  return counts
end

-- Where nobody has a filter, that is one question for all (0.6 µs), and no channel is named.
-- @return for each id the channels of filters that somebody has; nil in the place of an empty list
local function wanted_of(ids)
  local wanted = {}
  if call('PUBSUB', 'NUMSUB', FILTERS_CHANNEL)[2] == 0 then return wanted end
  local lists = {}
  for i = 1, #ids do lists[i] = filter_channels(ids[i]) end
  local counts = subscribers_of(lists)
  for i = 1, #lists do
    for _, channel in ipairs(lists[i]) do
      if counts[channel] > 0 then
        wanted[i] = wanted[i] or {}
        wanted[i][#wanted[i] + 1] = channel
      end
    end
  end
  return wanted
end
