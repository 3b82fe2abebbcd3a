-- Which ids with history had a message lately: a node that lost its connection cannot know what its filters missed. Noted
-- while a node has filters, and for a minute after that; it is 1 µs a batch.
--
--   <name>:recent:<second>   ids of messages with history that got their places in that second, each with a 0 byte behind it;
--                            one batch lies in the second of its first message

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

-- recent second -> ids with a message in that second, each with a 0 byte behind it; more than 1 MB: not all of them
local function recent(_, a)
  return call('GET', RECENT .. a[1]) or ''
end
