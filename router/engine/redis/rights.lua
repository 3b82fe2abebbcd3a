-- What a node's user must be allowed, for what these functions do inside. Redis itself says only that something is not.

local NEEDED = {
  { 'TIME' }, { 'INFO', 'server' },
  { 'GET', SEQ }, { 'SET', SEQ, '' }, { 'DEL', SEQ }, { 'INCRBY', SEQ, '1' }, { 'RENAME', SEQ, SEQ },
  { 'HGET', META, '' }, { 'HMGET', META, '' }, { 'HSET', META, '', '' }, { 'HDEL', META, '' }, { 'HEXISTS', META, '' }, { 'HLEN', META },
  { 'LPUSH', HISTORY, '' }, { 'LTRIM', HISTORY, '0', '1' }, { 'PEXPIRE', HISTORY, '1' },
  { 'APPEND', RECENT, '' }, { 'LLEN', HISTORY }, { 'LINDEX', HISTORY, '0' }, { 'LRANGE', HISTORY, '0', '1' },
  { 'ZADD', RETAINED_PLACES, '0', '' }, { 'ZREM', RETAINED_PLACES, '' }, { 'ZREMRANGEBYSCORE', RETAINED_PLACES, '0', '1' },
  { 'ZRANGE', RETAINED_PLACES, '0', '1' }, { 'ZSCORE', RETAINED_PLACES, '' },
  { 'ZRANGEBYSCORE', NODES, '0', '1' }, { 'ZCARD', NODES }, { 'ZREMRANGEBYRANK', WENT, '0', '1' }, { 'HINCRBY', META, '', '1' },
  { 'HSCAN', CLIENTS, '0' }, { 'RPUSH', PARCEL, '' },
  { 'PUBSUB', 'NUMSUB', ID_CHANNEL }, { 'PUBLISH', ID_CHANNEL, '' }, { 'SUBSCRIBE', ID_CHANNEL }, { 'UNSUBSCRIBE', ID_CHANNEL },
}

-- rights -> what is missing, as ACL SETUSER takes it
local function rights()
  local missing = {}
  for i = 1, #NEEDED do
    if not redis.acl_check_cmd(unpack(NEEDED[i])) then
      local command = string.lower(NEEDED[i][1])
      missing[#missing + 1] = '+' .. (command == 'pubsub' and 'pubsub|numsub' or command)
    end
  end
  return missing
end
