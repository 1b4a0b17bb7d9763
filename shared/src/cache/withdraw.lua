-- Removes a job that was not accepted after all, unless a worker has its message.
--
-- Its mark stays. If its message has reached a lane nevertheless, the worker that receives it drops it.
--
-- KEYS  1 job, 2 start of the job, 3 recent jobs, 4 unrecorded jobs
-- ARGV  1 job id, 2 mark, 3 seconds for which the mark is kept
-- Returns whether the job was removed: 1 | 0
local job = redis.call("GET", KEYS[1])
local is_queued = not job or job == ARGV[2] or string.find(job, '"status":"queued"', 1, true)
if not is_queued or redis.call("EXISTS", KEYS[2]) == 1 then return 0 end
redis.call("SET", KEYS[1], ARGV[2], "EX", ARGV[3])
redis.call("ZREM", KEYS[3], ARGV[1])
redis.call("ZREM", KEYS[4], ARGV[1])
return 1
