-- Do established connections live on beside a SYN flood?
-- The flood is the stream; the good traffic is the stamped packets, which Pktgen counts apart.
dofile(os.getenv("BALLAST_LIB") or "lib/ballast.lua")

ballast.syns()
local rate = ballast.search()
pktgen.clr()
ballast.stamp(true)
local seen = ballast.trial(rate)
ballast.stamp(false)
local good = ballast.stamped()
ballast.finish({flood_sent = seen.sent, good_received = good.num_pkts, good_lost = good.num_skipped,
	good_most_us = good.max_us, flood_percent_of_link = rate})
