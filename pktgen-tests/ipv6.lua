-- Does IPv6 get through as IPv4 does, and at what price?
dofile(os.getenv("BALLAST_LIB") or "lib/ballast.lua")

local found, pps = {}, {}
for _, family in ipairs({"ipv4", "ipv6"}) do
	ballast.one_flow(family, "udp")
	pktgen.set(ballast.port, "size", 128)
	ballast.random_ports(family, 10)
	local _, seen = ballast.zero_loss()
	found["zero_loss_mpps_" .. family] = seen.pps / 1e6
	found["received_" .. family] = seen.received
	pps[family] = seen.pps
end
found.share_of_ipv4 = pps.ipv6 / math.max(pps.ipv4, 1)
ballast.finish(found)
