-- What does a mix of sizes as the Internet has it cost?
dofile(os.getenv("BALLAST_LIB") or "lib/ballast.lua")

local largest = tonumber(os.getenv("BALLAST_LARGEST") or "1518")
local sizes = {64, 594, 64, 594, 64, largest, 64, 594, 64, 594, 64, 64}
ballast.one_flow("ipv4", "udp")
for i, size in ipairs(sizes) do
	ballast.entry(i - 1, "198.18.0." .. i, "udp", size)
end
pktgen.set(ballast.port, "seq_cnt", #sizes)
local rate, seen = ballast.zero_loss()
ballast.finish({zero_loss_percent = rate, zero_loss_mpps = seen.pps / 1e6})
