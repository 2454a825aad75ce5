-- For wrk: sends the lines of a file in turn, as paths to GET or as bodies to POST.
-- Arguments: METHOD PATH FILE. Each line is made a request before the clock starts, so that the client costs little.

local prepared, at = {}, 0
local threads = 0

function setup(thread)
  threads = threads + 1
  thread:set("number", threads)
end

function init(args)
  local method, path, file = args[1], args[2], args[3]
  for line in io.lines(file) do
    if method == "GET" then
      prepared[#prepared + 1] = wrk.format(method, line)
    else
      prepared[#prepared + 1] = wrk.format(method, path, nil, line)
    end
  end
  -- Each thread begins elsewhere.
  at = (number * 7919) % #prepared
end

function request()
  at = at % #prepared + 1
  return prepared[at]
end

function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format(
    '\nBENCH {"requests":%d,"microseconds":%d,"failed":%d,"p50":%d,"p99":%d}\n',
    summary.requests, summary.duration, failed, latency:percentile(50), latency:percentile(99)))
end
