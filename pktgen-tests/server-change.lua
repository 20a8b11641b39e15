-- Who notices when servers change under load?
-- run makes the changes through REST while this sends, and says when they are done.
dofile(os.getenv("BALLAST_LIB") or "lib/ballast.lua")

ballast.one_flow("ipv4", "udp")
ballast.random_ports("ipv4", 10)
local rate = ballast.search()
ballast.say_started()
local seen = ballast.trial(ballast.rate > 0 and rate or rate / 2, ballast.is_over)
ballast.finish({changing_mpps = seen.pps / 1e6})
