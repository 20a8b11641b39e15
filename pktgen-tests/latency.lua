-- How long does a packet take at 10, 50 and 90 % of the loss-free rate?
-- Pktgen knows least, mean and most of the packets that it stamps, one each 100 us.
dofile(os.getenv("BALLAST_LIB") or "lib/ballast.lua")

local found = {}
ballast.one_flow("ipv4", "udp")
local fastest = ballast.zero_loss()
for _, percent in ipairs({10, 50, 90}) do
	pktgen.clr()
	ballast.stamp(true)
	ballast.trial(fastest * percent / 100)
	ballast.stamp(false)
	local seen = ballast.stamped()
	found["measured_at_" .. percent] = seen.num_pkts
	found["least_us_at_" .. percent] = seen.min_us
	found["mean_us_at_" .. percent] = seen.avg_us
	found["most_us_at_" .. percent] = seen.max_us
end
ballast.finish(found)
