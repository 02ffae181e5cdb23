-- What wrk sends. Arguments: the file of requests, the number of threads, where to start in the file, and the first of the
-- numbers that stand where a request says MARK, each used once.
--
-- A line of the file is a request: method, path, body and any headers, separated by tabs. All are made into bytes before
-- the first is sent, and nothing looks at the answers, so that the load costs as little as it can.

local MARK = "@@@@@@@@@@@@"
local NUMBERS_OF_A_THREAD = 10000000

local started = 0
local heads, tails, count, position, number = {}, {}, 0, 0, 0

function setup(thread)
   thread:set("thread_number", started)
   started = started + 1
end

function init(arguments)
   for line in io.lines(arguments[1]) do
      local fields = {}
      for field in (line .. "\t"):gmatch("([^\t]*)\t") do
         fields[#fields + 1] = field
      end
      local headers = {}
      for index = 4, #fields do
         local name, value = fields[index]:match("^([^:]+): (.*)$")
         headers[name] = value
      end
      local body = fields[3] ~= "" and fields[3] or nil
      local text = wrk.format(fields[1], fields[2], headers, body)
      count = count + 1
      local first, last = text:find(MARK, 1, true)
      heads[count] = first and text:sub(1, first - 1) or text
      tails[count] = first and text:sub(last + 1) or false
   end
   -- The threads go through the list a part of it apart.
   local own = thread_number or 0
   local threads, start, first_number = tonumber(arguments[2]), tonumber(arguments[3]), tonumber(arguments[4])
   position = (start + math.floor(own * count / threads)) % count
   number = first_number + own * NUMBERS_OF_A_THREAD
end

function request()
   position = position % count + 1
   local tail = tails[position]
   if not tail then
      return heads[position]
   end
   number = number + 1
   return heads[position] .. string.format("%012d", number) .. tail
end

function done(summary, latency, requests)
   local errors = summary.errors
   io.write(string.format(
      '{"requests":%d,"microseconds":%d,"bytes":%d,"connect":%d,"read":%d,"write":%d,"timeout":%d,"status":%d,' ..
      '"p50":%d,"p99":%d,"p999":%d}\n',
      summary.requests, summary.duration, summary.bytes, errors.connect, errors.read, errors.write, errors.timeout,
      errors.status, latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end
