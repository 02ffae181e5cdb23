-- What wrk sends, in its only thread. Arguments: the file of requests, and how many of wrk were started before, which says
-- where to start in the file and what stands where a request says MARK: numbers that are used once.
--
-- A line of the file is a request: method, path, body and any headers, separated by tabs. All are made into bytes before
-- the first is sent, and nothing looks at the answers, so that the load costs as little as it can.

local MARK = "@@@@@@@@@@@@"
local NUMBERS = 10000000
local GOLDEN_RATIO = 0.6180339887498949

local heads, tails, count, position, number = {}, {}, 0, 0, 0

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
   -- As far as can be from where the others and those before started, so that what they left in memory is met late.
   local started = tonumber(arguments[2])
   position = math.floor(started * GOLDEN_RATIO % 1 * count)
   number = started * NUMBERS
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
