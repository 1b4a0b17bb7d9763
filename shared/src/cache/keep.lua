-- Keeps a finished job, and its result for reuse, unless the client has erased the job.
--
-- KEYS  1 job, 2 result, 3 fingerprint of the result that the job has made
-- ARGV  1 the job as JSON, 2 seconds for which it is kept, 3 fingerprint or "",
--       4 seconds for which the result is kept
if redis.call("GET", KEYS[1]) == "erased" then return end
redis.call("SET", KEYS[1], ARGV[1], "EX", ARGV[2])
if ARGV[3] ~= "" then
  redis.call("SET", KEYS[2], ARGV[1], "EX", ARGV[4])
  redis.call("SET", KEYS[3], ARGV[3], "EX", ARGV[4])
end
