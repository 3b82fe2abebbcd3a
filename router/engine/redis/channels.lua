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
  local slash = find(id, '/', 1, true)
  if slash then
    local ends, count = {}, 0
    while slash do
      count = count + 1
      ends[count] = slash
      slash = find(id, '/', slash + 1, true)
    end
    for i = count, 1, -1 do
      channels[count - i + 2] = FILTER_CHANNEL .. sub(id, 1, ends[i])
    end
  end
  if byte(id) ~= 36 then channels[#channels + 1] = FILTER_CHANNEL end
  return channels
end

-- More would not fit the Lua stack.
local ASKED_MAX = 1000

-- Which channels have subscribers, asked in one call: within a script that does not change. (An empty PUBLISH to each costs
-- about the same for one message, and for a batch more.)
local function ask_subscribers(channels, first, last, counts)
  local reply = call('PUBSUB', 'NUMSUB', unpack(channels, first, last))
  for i = 1, #reply, 2 do counts[reply[i]] = reply[i + 1] end
end

-- @param lists of channels
-- @return channel -> number of its subscribers
local function subscribers_of(lists)
  local counts = {}
  local asked, size = {}, 0
  for i = 1, #lists do
    local channels = lists[i]
    for j = 1, #channels do
      local channel = channels[j]
      if not counts[channel] then
        counts[channel] = 0
        size = size + 1
        asked[size] = channel
      end
    end
  end
  for first = 1, size, ASKED_MAX do
    ask_subscribers(asked, first, math.min(size, first + ASKED_MAX - 1), counts)
  end
  return counts
end

-- @param lists of the channels that each message may go to
-- @return lists of those with subscribers; nil in the place of an empty one
local function wanted_of(lists)
  local wanted = {}
  local single = #lists == 1 and #lists[1] <= ASKED_MAX
  local reply = single and call('PUBSUB', 'NUMSUB', unpack(lists[1]))
  local counts = not single and subscribers_of(lists)
  for i = 1, #lists do
    local channels = lists[i]
    for j = 1, #channels do
      if (single and reply[j * 2] or counts[channels[j]]) > 0 then
        wanted[i] = wanted[i] or {}
        wanted[i][#wanted[i] + 1] = channels[j]
      end
    end
  end
  return wanted
end
