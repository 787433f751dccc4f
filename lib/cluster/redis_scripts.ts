/**
 * Scripts in Lua, which Redis runs as one step. Each first removes what no
 * instance has written: values of a wrong type, too long, or not a number. Damage
 * therefore repairs itself, and no reply is larger than a reader accepts.
 *
 * @module
 */

/** Removes keys of another type. */
const TYPED = `
local function typed(key, wanted)
  local found = redis.call('TYPE', key).ok
  if found ~= wanted and found ~= 'none' then redis.pcall('DEL', key) end
end
typed(KEYS[1], 'stream')
typed(KEYS[2], 'zset')
typed(KEYS[3], 'string')
local function isNumber(text)
  return string.match(text, '^%d+$') and #text <= 15
end
if redis.call('STRLEN', KEYS[3]) > 15 or
  not isNumber(redis.call('GET', KEYS[3]) or '0') then
  redis.pcall('DEL', KEYS[3])
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`;

/** The value of an item's key; empty if there is none. Removes too long ones. */
const VALUE = `
local function value(key, most)
  typed(key, 'string')
  if redis.call('STRLEN', key) <= tonumber(most) then
    return redis.call('GET', key) or ''
  end
  redis.pcall('DEL', key)
  return '', true
end
`;

/**
 * Writes items. KEYS: stream, order, count, then one for each item. ARGV: the
 * most batches of the stream, the most bytes of an item, then for each item:
 * sequence, until, "1" if it has ended, head, body. Returns the places of those
 * without a body, and for each of which a newer one is there its place, the
 * digest of the newer one, and its head.
 */
export const WRITE = `${TYPED}${VALUE}
local heads, missing, newer = {}, {}, {}
for n = 4, #KEYS do
  local key, at = KEYS[n], (n - 4) * 5 + 3
  local sequence, untilMs = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
  local ended, head, body = ARGV[at + 2] == '1', ARGV[at + 3], ARGV[at + 4]
  local old = value(key, ARGV[2])
  local before, mark = string.match(old, '^%l %S+ (%d+) %d+ %S+ (%S)')
  before = tonumber(before or -1)
  if before > sequence or (before == sequence and mark == 'w') then
    newer[#newer + 1] = n - 4
    newer[#newer + 1] = redis.sha1hex(old)
    newer[#newer + 1] = string.match(old, '^[^\\n]*')
  elseif untilMs > now then
    if ended then
      redis.call('SET', key, head, 'PXAT', untilMs)
      redis.call('ZREM', KEYS[2], key)
      heads[#heads + 1] = head
    else
      local line = string.find(old, '\\n', 1, true)
      if body == '' and line and before == sequence then
        body = string.sub(old, line + 1)
      end
      if body == '' then
        missing[#missing + 1] = n - 4
      else
        redis.call('SET', key, head .. '\\n' .. body, 'PXAT', untilMs)
        redis.call('ZADD', KEYS[2], untilMs, key)
        heads[#heads + 1] = head
      end
    end
  end
end
if #heads > 0 then
  local count = redis.call('INCR', KEYS[3])
  local function add()
    return redis.pcall('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*',
      'c', count, 'h', table.concat(heads, '\\n'))
  end
  local added = add()
  if type(added) == 'table' and not string.find(added.err, 'OOM') then
    redis.call('DEL', KEYS[1]) -- its last position is the highest possible one
    added = add()
  end
  if type(added) == 'table' then return added end
end
return { missing, newer }
`;

/** Adds key, digest and value of an item to a list. */
const ADD_VALUES = `
local function addValue(found, key, most)
  local text, isLarge = value(key, most)
  found[#found + 1] = key
  found[#found + 1] = redis.sha1hex(text)
  found[#found + 1] = text
  return text ~= '', isLarge
end
`;

/**
 * A page of items. KEYS: stream, order, count. ARGV: the most bytes of an item,
 * the most items, the lowest end, how many to skip, a pattern of their keys.
 * Returns the number of items too large, the arguments for the next page or two
 * empty texts, and for each item its key, digest and value.
 */
export const PAGE = `${TYPED}${VALUE}${ADD_VALUES}
local most, from, skip = tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local all = redis.call('ZRANGEBYSCORE', KEYS[2], from, '+inf', 'WITHSCORES',
  'LIMIT', skip, most)
local found, large, same, last = { 0, '', '' }, 0, 0, from
if from ~= '-inf' then same = skip end
for n = 1, #all, 2 do
  local key, score = all[n], all[n + 1]
  local kept = false
  if #key <= 256 and string.match(key, ARGV[5]) then
    local isLarge
    kept, isLarge = addValue(found, key, ARGV[1])
    if isLarge then large = large + 1 end
  end
  if not kept then redis.call('ZREM', KEYS[2], key) end
  if score ~= last then same = 0 end
  last = score
  if kept then same = same + 1 end
end
found[1] = large
if #all == 2 * most then found[2], found[3] = last, tostring(same) end
return found
`;

/**
 * Items. KEYS: stream, order, count, then one for each item. ARGV: the most bytes
 * of an item. Returns for each its key, digest and value.
 */
export const READ = `${TYPED}${VALUE}${ADD_VALUES}
local found = {}
for n = 4, #KEYS do addValue(found, KEYS[n], ARGV[1]) end
return found
`;

/**
 * Removes items. KEYS: stream, order, count, then one for each item. ARGV: their
 * digests, and the most bytes of an item. Items that were changed since stay.
 */
export const DISCARD = `${TYPED}${VALUE}
for n = 4, #KEYS do
  local text = value(KEYS[n], ARGV[#ARGV])
  if redis.sha1hex(text) == ARGV[n - 3] then
    redis.call('DEL', KEYS[n])
    redis.call('ZREM', KEYS[2], KEYS[n])
  end
end
return 0
`;

/**
 * Reports an instance. KEYS: stream, order, count, instances. ARGV: the
 * instance, its text, the most instances. Returns the time, the count, the
 * position of the last batch, why nothing can be written, and the texts of all
 * instances.
 */
export const BEAT = `${TYPED}
local refused = ''
local function try(...)
  local reply = redis.pcall(...)
  if type(reply) == 'table' and reply.err then refused = reply.err end
end
typed(KEYS[4], 'hash')
local most = tonumber(ARGV[3])
if redis.call('HLEN', KEYS[4]) > 4 * most then redis.pcall('DEL', KEYS[4]) end
try('HSET', KEYS[4], ARGV[1], ARGV[2])
try('PEXPIRE', KEYS[4], 60000)
try('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
local position = '0-0'
local info = redis.pcall('XINFO', 'STREAM', KEYS[1])
if not info.err then
  for n = 1, #info, 2 do
    if info[n] == 'last-generated-id' then position = info[n + 1] end
  end
end
local count = redis.pcall('GET', KEYS[3])
if type(count) ~= 'string' or not isNumber(count) then count = '0' end
local reply = { tostring(now), count, position, refused }
local all = redis.pcall('HKEYS', KEYS[4])
for n = 1, #all do
  local text = ''
  if redis.call('HSTRLEN', KEYS[4], all[n]) <= 256 then
    text = redis.call('HGET', KEYS[4], all[n])
  end
  local name, untilMs = string.match(text, '^(%S+) (%d+) ')
  local isOver = name ~= all[n] or tonumber(untilMs) <= now
  if isOver and all[n] ~= ARGV[1] then
    redis.pcall('HDEL', KEYS[4], all[n])
  elseif #reply < 4 + most then
    reply[#reply + 1] = text
  end
end
return reply
`;
