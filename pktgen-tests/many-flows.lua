-- What do many flows in random order cost?
-- By source ports of one client, so at most 65536 of them; for more, the project's own generator.
dofile(os.getenv("BALLAST_LIB") or "lib/ballast.lua")

local found, one = {flows = 65536}, nil
for _, bits in ipairs({0, 10, 16}) do
	ballast.one_flow("ipv4", "udp")
	ballast.random_ports("ipv4", bits)
	local _, seen = ballast.zero_loss()
	found["zero_loss_mpps_" .. (1 << bits)] = seen.pps / 1e6
	one = one or seen.pps
	found.share_of_one_flow = seen.pps / math.max(one, 1)
end
ballast.finish(found)
