/**
 * Scripts in Lua, which Redis runs as one step. Each first removes values of a
 * wrong type from its keys, so damage repairs itself.
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
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`;

/**
 * Writes items. KEYS: stream, order, count, then one for each item. ARGV: the
 * most batches of the stream, then for each item: sequence, until, "1" if it has
 * ended, head, body. Returns the places of those without a body.
 */
export const WRITE = `${TYPED}
if redis.call('GET', KEYS[3]) and
  not string.match(redis.call('GET', KEYS[3]), '^%d+$') then
  redis.call('DEL', KEYS[3])
end
local heads, missing = {}, {}
for n = 4, #KEYS do
  local key, at = KEYS[n], (n - 4) * 5 + 2
  local sequence, untilMs = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
  local ended, head, body = ARGV[at + 2] == '1', ARGV[at + 3], ARGV[at + 4]
  typed(key, 'string')
  local old = redis.call('GET', key) or ''
  local before, mark = string.match(old, '^%l %S+ (%d+) %d+ %S+ (%S)')
  before = tonumber(before or -1)
  if before > sequence or (before == sequence and mark == 'w') then
    -- a newer one is there
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
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*',
    'c', count, 'h', table.concat(heads, '\\n'))
end
return missing
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
if type(count) ~= 'string' or not string.match(count, '^%d+$') then
  count = '0'
end
local reply = { tostring(now), count, position, refused }
local all = redis.pcall('HGETALL', KEYS[4])
if not all.err then
  for n = 1, #all, 2 do
    local untilMs = tonumber(string.match(all[n + 1], '^%S+ (%d+) ') or 0)
    if untilMs <= now and all[n] ~= ARGV[1] then
      redis.pcall('HDEL', KEYS[4], all[n])
    elseif #reply < 4 + tonumber(ARGV[3]) then
      reply[#reply + 1] = all[n + 1]
    end
  end
end
return reply
`;
