-- Decides about one submission, counts it, and looks for a result, all at once.
--
-- It decides as the crate `quota` does. The clock is that of Valkey, so that the clocks of the API
-- processes do not matter. All keys belong to one tenant and share a hash slot.
--
-- KEYS  1 rate of the key, 2 rate of the tenant, 3 allowance for deferred jobs, 4 result, 5 work,
--       6 job, 7 recent jobs, 8 last use of keys, 9 tally of the day, 10 unrecorded jobs
-- ARGV  1-6 interval and window of the three rates in microseconds, 7 key id, 8 job id,
--       9 what is wanted: "nothing" | "queue" | "reuse" | "inline", 10 lease in milliseconds,
--       11 the job as JSON if it is admitted, 12 the job as JSON if it is deferred,
--       13 seconds for which the job is kept, 14 seconds for which recent jobs are kept,
--       15 seconds for which the last use is kept, 16 seconds for which a tally is kept
-- Returns { verdict, wait, full_in of the key, full_in of the tenant, claimed, result or false }
local time = redis.call("TIME")
local now = time[1] * 1000000 + time[2]

local function full_at(key) return tonumber(redis.call("GET", key) or "0") end
local function wait(full, interval, window) return math.max(full + interval - window - now, 0) end
local function take(key, full, interval)
  full = math.max(full, now) + interval
  redis.call("SET", key, string.format("%.0f", full), "PX", math.ceil((full - now) / 1000) + 1)
  return full
end

local interval, window = {}, {}
for i = 1, 3 do
  interval[i], window[i] = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
end
local full = { full_at(KEYS[1]), full_at(KEYS[2]), full_at(KEYS[3]) }
local over = math.max(wait(full[1], interval[1], window[1]), wait(full[2], interval[2], window[2]))
local past = wait(full[3], interval[3], window[3])

local verdict, refused_for = 0, 0
if over == 0 then
  full[1] = take(KEYS[1], full[1], interval[1])
  full[2] = take(KEYS[2], full[2], interval[2])
elseif ARGV[9] == "nothing" then
  verdict, refused_for = 2, over
elseif past == 0 then
  verdict = 1
  full[3] = take(KEYS[3], full[3], interval[3])
else
  verdict, refused_for = 2, math.min(over, past)
end

redis.call("HSET", KEYS[8], ARGV[7], time[1])
redis.call("EXPIRE", KEYS[8], ARGV[15])
local function tally(what)
  redis.call("HSETNX", KEYS[9], "generation", ARGV[8])
  redis.call("HINCRBY", KEYS[9], ARGV[7] .. ":" .. what, 1)
  redis.call("EXPIRE", KEYS[9], ARGV[16])
end

local function list(key, seconds)
  redis.call("ZREMRANGEBYSCORE", key, "-inf", time[1] - seconds)
  redis.call("ZADD", key, time[1], ARGV[8])
  redis.call("EXPIRE", key, seconds)
end

local result, claimed = false, 0
if verdict == 2 then
  tally("refused")
elseif ARGV[9] ~= "nothing" then
  if ARGV[9] ~= "queue" then result = redis.call("GET", KEYS[4]) end
  if result then
    tally("cached")
  else
    if ARGV[9] == "inline" and verdict == 0 and redis.call("SET", KEYS[5], ARGV[8], "NX", "PX", ARGV[10]) then
      claimed = 1
      list(KEYS[10], ARGV[13])
    else
      redis.call("SET", KEYS[6], verdict == 0 and ARGV[11] or ARGV[12], "EX", ARGV[13])
      list(KEYS[7], ARGV[14])
    end
  end
end
return {
  verdict, string.format("%.0f", refused_for),
  string.format("%.0f", math.max(full[1] - now, 0)), string.format("%.0f", math.max(full[2] - now, 0)),
  claimed, result,
}
