-- What the scripts share: the numbering plan (generator/plan.h), trials, and the file of figures.
-- pktgen-tests/run sets the environment; by hand, see topology.md.

local function env(name, default)
	local value = os.getenv("BALLAST_" .. name)
	if value == nil or value == "" then return default end
	return value
end

ballast = {
	port = "0",                                  -- where clients send
	sink = env("SINK", "0"),                     -- where servers receive
	mac = env("DUT_MAC", "02:00:00:03:00:00"),   -- of ballastd's port
	seconds = tonumber(env("SECONDS", "2")),     -- of a trial
	rate = tonumber(env("RATE", "0")),           -- percent of the link, fixed; 0: searched for
	rounds = tonumber(env("ROUNDS", "8")),       -- of halving while searching
	figures = {sent = 0, received = 0, lost = 0},
	client = {ipv4 = "198.18.0.0", ipv6 = "2001:2:0:1::"},
	service = {ipv4 = "198.19.0.1", ipv6 = "2001:2:0:3::1"},
	service_port = 80,
}

local result = env("RESULT", "result.json")

local function sent_by(port) return pktgen.portStats(port, "port")[tonumber(port)].opackets end
local function received_by(port) return pktgen.portStats(port, "port")[tonumber(port)].ipackets end

-- Packets sent and received so far, once they have come to rest. Pktgen reads its counters once a
-- second, later where it has to share a core.
local function counts()
	local last, n_equal = -1, 0
	while true do
		local sent, received = sent_by(ballast.port), received_by(ballast.sink)
		n_equal = last == sent + received and n_equal + 1 or 0
		if n_equal == 2 then return sent, received end
		last = sent + received
		pktgen.delay(1000)
	end
end

-- Sends for some seconds, at least until something was sent and done() is true; what came of it.
-- Is not counted among figures.
function ballast.probe(rate, done)
	local sent, received = counts()
	pktgen.set(ballast.port, "rate", rate)
	local fastest, took = 0, 0
	pktgen.start(ballast.port)
	while took < ballast.seconds or sent_by(ballast.port) == sent or (done and not done()) do
		pktgen.delay(500)
		took = took + 0.5
		local now = pktgen.portStats(ballast.sink, "rate")[tonumber(ballast.sink)].pkts_rx
		if now > fastest then fastest = now end
	end
	pktgen.stop(ballast.port)
	local sent_after, received_after = counts()
	local seen = {sent = sent_after - sent, received = received_after - received, pps = fastest}
	seen.lost = seen.sent - seen.received
	-- Where it shares a core it may not have read any rate meanwhile.
	if fastest == 0 then seen.pps = seen.received / took end
	return seen
end

function ballast.count(seen)
	for name, value in pairs(ballast.figures) do ballast.figures[name] = value + seen[name] end
end

-- The same, counted.
function ballast.trial(rate, done)
	local seen = ballast.probe(rate, done)
	ballast.count(seen)
	return seen
end

-- RFC 2544 section 26.1: the highest rate, in percent of the link, at which nothing is lost, by
-- halving; the rate that was asked for where there is one.
function ballast.search()
	if ballast.rate > 0 then return ballast.rate end
	local low, high = 0, 100
	for _ = 1, ballast.rounds do
		local rate = (low + high) / 2
		local seen = ballast.probe(rate)
		if seen.lost == 0 and seen.sent > 0 then low = rate else high = rate end
	end
	return low
end

-- The same, confirmed by a trial that counts; what is not confirmed is tried at nine tenths.
function ballast.zero_loss()
	local rate = ballast.search()
	for _ = 1, 5 do
		local seen = ballast.probe(rate)
		if seen.lost == 0 then
			ballast.count(seen)
			return rate, seen
		end
		if ballast.rate == 0 then rate = rate * 0.9 end
	end
	return rate, ballast.trial(rate)
end

-- Stamps a packet each 100 us; the receiving port has to look for stamps too.
function ballast.stamp(state)
	for _, port in ipairs({ballast.port, ballast.sink}) do
		if state then pktgen.latency(port, "rate", 100) end
		pktgen.latency(port, state and "enable" or "disable")
	end
end

-- What is known of the stamped packets since pktgen.clr().
function ballast.stamped() return pktgen.pktStats(ballast.sink)[tonumber(ballast.sink)].latency end

-- One flow: family "ipv4" or "ipv6", protocol "udp" or "tcp".
function ballast.one_flow(family, protocol)
	local prefix = family == "ipv6" and "/64" or "/15"
	pktgen.stop(ballast.port)
	pktgen.set_range(ballast.port, "off")
	ballast.random_ports(family, 0)
	pktgen.set(ballast.port, "seq_cnt", 0)
	pktgen.set(ballast.port, "count", 0)
	pktgen.set_type(ballast.port, family)
	pktgen.set_proto(ballast.port, protocol)
	pktgen.set_mac(ballast.port, "dst", ballast.mac)
	pktgen.set_ipaddr(ballast.port, "src", ballast.client[family] ..
		(family == "ipv6" and "7" or "") .. prefix)
	pktgen.set_ipaddr(ballast.port, "dst", ballast.service[family])
	pktgen.set(ballast.port, "sport", 1024)
	pktgen.set(ballast.port, "dport", ballast.service_port)
	pktgen.set(ballast.port, "size", family == "ipv6" and 78 or 64)
end

-- A packet's source port has its last `bits` bits at random: 2^bits flows. They are put in as the
-- packet leaves, behind the header's own check sum, which does not cover them; that of TCP or UDP
-- is not made anew. 0 ends it.
function ballast.random_ports(family, bits)
	local offset = family == "ipv6" and 54 or 34
	local mask = string.rep(".", 16 - bits) .. string.rep("X", bits) .. string.rep(".", 16)
	pktgen.rnd(ballast.port, 0, offset, bits > 0 and mask or "off")
end

-- The i-th packet of a sequence, from 0; IPv4. 24.10 reads the list of ports from the first
-- argument, where the number of the entry is: "0x5" is the number 5 and, read as decimal, port 0.
function ballast.entry(i, client, protocol, size)
	pktgen.seq(string.format("0x%x", i), ballast.port, ballast.mac, "02:00:00:02:00:01",
		ballast.service.ipv4, client .. "/15", 1024 + i, ballast.service_port, "ipv4", protocol,
		1, size, 0)
end

-- SYNs of 16 clients from any port, each packet another one: a million connections.
function ballast.syns()
	ballast.one_flow("ipv4", "tcp")
	for i = 0, 15 do
		ballast.entry(i, "198.18.1." .. i, "tcp", 64)
		pktgen.seq_tcp_flags(string.format("0x%x", i), ballast.port, "syn")
	end
	-- Random bits stay when the sequence is switched on, not the other way round.
	ballast.random_ports("ipv4", 16)
	pktgen.set(ballast.port, "seq_cnt", 16)
end

-- Whether the run asks for the end of a trial, and that one is on its way.
function ballast.say_started() io.open(result .. ".started", "w"):close() end
function ballast.is_over()
	local file = io.open(result .. ".over", "r")
	if file then file:close() end
	return file ~= nil
end

-- Writes the figures and ends Pktgen.
function ballast.finish(more)
	local words = {}
	for name, value in pairs(more or {}) do ballast.figures[name] = value end
	for name, value in pairs(ballast.figures) do
		words[#words + 1] = string.format('"%s": %s', name, tostring(value))
	end
	local file = io.open(result .. ".part", "w")
	file:write("{" .. table.concat(words, ", ") .. "}\n")
	file:close()
	os.rename(result .. ".part", result)
	pktgen.quit()
end
