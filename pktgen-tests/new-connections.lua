-- How many new connections a second?
-- SYNs of 16 clients from any port; run reads from ballastd how many were new.
dofile(os.getenv("BALLAST_LIB") or "lib/ballast.lua")

ballast.syns()
local _, seen = ballast.zero_loss()
ballast.finish({syns_per_s = seen.pps})
