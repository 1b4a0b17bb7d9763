-- Marks a job as started, and says what there is to do.
--
-- KEYS  1 job, 2 start of the job, 3 result, 4 work
-- ARGV  1 job id, 2 when the job was started, 3 seconds for which this is kept,
--       4 lease in milliseconds, 5 whether a result may be reused: "1" | "0"
--       6 whether the job may still begin: "1" | "0", 7 process id
-- Returns { "erased" } | { "finished", the job } | { "late" } | { "known", a job with the result }
--         | { "busy" } | { "work" }
local job = redis.call("GET", KEYS[1])
-- A job is kept as queued or with its final status. Inside a string of JSON every quote is escaped,
-- so that no text of a client can look like this.
if job == "erased" then return { "erased" } end
if job and not string.find(job, '"status":"queued"', 1, true) then return { "finished", job } end
-- A job that has begun before may go on.
if ARGV[6] == "0" and redis.call("EXISTS", KEYS[2]) == 0 then return { "late" } end
redis.call("SET", KEYS[2], ARGV[2], "EX", ARGV[3])
if ARGV[5] == "0" then return { "work" } end
local result = redis.call("GET", KEYS[3])
if result then return { "known", result } end
-- A result that this process makes for another job is kept when the whole batch is committed. To wait for
-- it would hold up the batch, and so the result itself.
local holder = redis.call("GET", KEYS[4])
local function is(part) return string.find(holder, part, 1, true) end
if holder and not is(ARGV[1]) and not is(ARGV[7]) then return { "busy" } end
redis.call("SET", KEYS[4], ARGV[1] .. " " .. ARGV[7], "PX", ARGV[4])
return { "work" }
