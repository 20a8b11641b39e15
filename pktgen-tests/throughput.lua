-- At which rate is nothing lost, by the frame sizes of RFC 2544?
dofile(os.getenv("BALLAST_LIB") or "lib/ballast.lua")

local sizes = {64, 128, 256, 512, 1024, 1280, tonumber(os.getenv("BALLAST_LARGEST") or "1518")}
local found = {sizes = #sizes}
ballast.one_flow("ipv4", "udp")
for _, size in ipairs(sizes) do
	pktgen.set(ballast.port, "size", size)
	local rate, seen = ballast.zero_loss()
	found["zero_loss_percent_" .. size] = rate
	found["zero_loss_mpps_" .. size] = seen.pps / 1e6
end
ballast.finish(found)
