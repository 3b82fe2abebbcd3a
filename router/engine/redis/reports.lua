-- What nodes say of themselves, for <name>_stats.

-- Hash run -> `time in ms` `JSON`.
local REPORTS = NAME .. ':reports'
local REPORT_AGE_MS = 30000

-- report run json -> 1
local function report(_, a)
  local run, json = a[1], a[2]
  if not is_run(run) or not json then return fail('ARGUMENT report run json') end
  local now_ms = math.floor(now_us() / 1000)
  call('HSET', REPORTS, run, string.format('%.0f %s', now_ms, json))
  return 1
end
