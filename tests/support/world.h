/* world.h - a small installation around one pipeline, for tests.
 *
 * Role     gives a pipeline services, servers, next hops and NAT sources by the commands that the
 *          control plane would send, runs frames through it, and judges what comes out
 * Shape    world_open(&w); world_service(&w, ...); world_send(&w, &f) == LB_VERDICT_TX
 * Units    ports in host order, addresses as text, time in ms: w.now_ms
 * Threads  one
 * Memory   pipeline and persistence table by mmap, so that only what is used costs memory; objects
 *          of the control plane live until world_close
 * Limits   WORLD_SERVICES_MAX service objects ever built
 * Errors   what goes wrong ends the test with a sentence on standard error
 * Tests    test_pipeline.c, fuzz_pipeline.c
 */
#ifndef WORLD_H
#define WORLD_H

#include "frame.h"
#include "pipeline.h"

#define WORLD_VIP "192.0.2.10"
#define WORLD_VIP6 "2001:db8::10"
#define WORLD_SERVICES_MAX 256u
#define WORLD_REALS 8u /* of each family: real and machine ids 0.. (IPv4) and 8.. (IPv6) */
#define WORLD_NAT_FIRST 20000u
#define WORLD_NAT_LAST 20999u
#define WORLD_SETTLE_MS 20000u

/* Real i is 192.0.2.(20 + i) or 2001:db8::(20 + i), next hop i + 1, MAC
 * 02:00:00:00:02:i. Target i is its state by itself, target 100 + i in the group. */
struct world_options {
	uint32_t n_connections; /* 0: 1000 */
	uint32_t n_records;     /* 0: 1000 */
	uint32_t n_workers;     /* 0: 1 */
	uint32_t worker;
	uint64_t seed;
	struct lb_persist_table *persist; /* another world's; NULL: its own */
	const struct lb_rss_map *rss;     /* NULL: no card that hashes */
};

struct world_held {
	struct frame frame;
	bool is_handed;
};

struct world {
	struct lb_pipeline *pl;
	struct lb_persist_table *persist;
	uint64_t now_ms;
	bool is_handed; /* frames that come now were handed over by another worker */
	void *pipeline_mem;
	size_t pipeline_bytes;
	void *persist_mem;
	size_t persist_bytes;
	struct lb_service *services[WORLD_SERVICES_MAX];
	uint32_t slots[WORLD_SERVICES_MAX]; /* of each */
	uint32_t n_services;
	struct lb_nat_source nat_source;
	struct lb_route_table *routes;
	struct lb_burst burst;
	struct lb_pkt last; /* the last packet's view, after the run */
	struct world_held *held[LB_HELD_MAX]; /* fragments that wait, by slot */
	struct frame asked[2]; /* the last questions to silent sides, the client's first */
};

void world_open(struct world *w, const struct world_options *options);
void world_close(struct world *w);

void world_command(struct world *w, enum lb_cmd_type type, uint32_t idx, const void *object,
		   uint64_t value);

struct world_service {
	uint32_t slot;
	const char *vip;  /* NULL: WORLD_VIP */
	uint8_t protocol; /* 0: TCP */
	uint16_t first_port;
	uint16_t last_port; /* 0: first_port */
	uint8_t epoch;
	enum lb_forwarding forwarding;
	enum lb_scheduler scheduler;
	enum lb_no_server_action no_server_action;
	enum lb_server_down_action server_down_action;
	uint32_t server_down_drain_s;
	uint16_t group_id;
	uint32_t idle_timeout_ms;    /* 0: 900 s */
	uint32_t persist_timeout_ms; /* 0: 3600 s */
	uint32_t starts_per_s_max;
	uint32_t conns_max;
	uint32_t n_servers;
	uint32_t first_server;
	const uint32_t *weights; /* NULL: 1 each */
	bool is_stateless;       /* slots that change settle for WORLD_SETTLE_MS */
};
/* Builds and installs; servers are reals first_server.. of the VIP's family. */
void world_service(struct world *w, const struct world_service *s);
void world_no_service(struct world *w, uint32_t slot);

/* Bits for both targets of server i, of either family. */
void world_server_state(struct world *w, uint32_t server, uint32_t bits);
void world_server_down(struct world *w, uint32_t server, uint32_t generation);

/* Runs one finished frame in from interface 0; the frame afterwards holds what came out. Checks
 * that its verdict is final, that a sound frame is sent on as a sound frame, and the accounting
 * law. */
enum lb_verdict world_send(struct world *w, struct frame *f);
/* Runs up to LB_BURST_MAX frames as one burst. */
void world_send_burst(struct world *w, struct frame *frames, uint32_t n);

/* Takes back fragments that have waited; those that have ended are gone, the others run again at
 * once, as one burst, and are in `frames` and w->burst afterwards. Returns how many; false in
 * *is_more: nobody else has waited enough. */
uint32_t world_take_back(struct world *w, struct frame frames[LB_BURST_MAX], bool *is_more);

/* Takes back until nobody has waited enough; returns how many frames were sent, at most `max` of
 * them in `sent`. */
uint32_t world_settle(struct world *w, struct frame *sent, uint32_t max);

/* Time passes: `ms` in steps of at most `step_ms`, ageing after each. Who has waited in vain is
 * taken back; nobody else may wait to be. */
void world_pass_time(struct world *w, uint64_t ms, uint64_t step_ms);

uint64_t world_count(const struct world *w, enum lb_counter counter);
/* "" when the counters agree with each other, otherwise what does not. */
const char *world_imbalance(const struct world *w);

/* Fields of a frame that is TCP, UDP or an ICMP error (then of the outer header). */
struct world_fields {
	char src[LB_ADDR_TEXT_MAX];
	char dst[LB_ADDR_TEXT_MAX];
	uint16_t sport;
	uint16_t dport;
	uint8_t flags;
	uint8_t ttl;
	uint8_t dst_mac[6];
	uint8_t src_mac[6];
};
struct world_fields world_fields(const struct frame *f);

/* A TCP or UDP frame of `text`, finished, from a client's MAC 02:00:00:00:00:02. */
void world_tcp(struct frame *f, const char *src, uint16_t sport, const char *dst, uint16_t dport,
	       uint8_t flags);
void world_udp(struct frame *f, const char *src, uint16_t sport, const char *dst, uint16_t dport);
/* What the receiver of `in` answers. */
void world_tcp_answer(struct frame *f, const struct frame *in, uint8_t flags);
void world_udp_answer(struct frame *f, const struct frame *in);

/* Index of the server that frame `f` was sent to, by its destination; WORLD_REALS: none. */
uint32_t world_server_of(const struct frame *f);

#endif
