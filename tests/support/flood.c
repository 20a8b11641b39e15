#include "flood.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "packet/checksum.h"
#include "packet/key.h"
#include "packet/wire.h"
#include "random.h"
#include "steer/conn.h"
#include "world.h"

#define BUFFER_BYTES 256u
#define HEADROOM 96u
#define SERVER_MS 1u /* from Ballast to the server and back */
#define GOOD_NET 0x0a000000u
#define ESTABLISHED_NET 0x0b000000u
#define PORT 80u

enum stage { STAGE_OPEN, STAGE_ANSWER, STAGE_SECOND, STAGE_LATER, STAGE_END };

/* A good connection. */
struct good {
	uint32_t next; /* in the list of its millisecond; 0: last */
	uint32_t began_ms;
	uint8_t stage;
	uint8_t n_tries;
	rte_be16_t nat_port_be;
	rte_be32_t nat_be;
	rte_be32_t server_be;
};

struct packet {
	rte_be32_t src_be;
	rte_be32_t dst_be;
	rte_be16_t sport_be;
	rte_be16_t dport_be;
	uint8_t flags;
};

struct flood {
	const struct flood_plan *plan;
	struct flood_result *out;
	struct world w;
	struct test_random random;
	uint8_t buffers[LB_BURST_MAX][BUFFER_BYTES];
	struct packet sent[LB_BURST_MAX];
	struct lb_burst burst;
	struct good *good; /* [0] is not used */
	uint32_t n_good;
	uint32_t *due; /* per ms: the first of its list */
	uint32_t n_due;
	uint64_t begin_ms;
	uint64_t flood_ns;
	rte_be32_t vip_be;
};

static uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void add_packet(struct flood *f, const struct packet *p)
{
	uint32_t l4 = f->plan->protocol == IPPROTO_TCP ? LB_TCP_BYTES : LB_UDP_BYTES + 12;
	uint8_t *data = f->buffers[f->burst.n] + HEADROOM;
	uint8_t *ip = data + LB_ETH_BYTES, *l4_at = ip + LB_IPV4_BYTES;

	memset(data, 0, LB_ETH_BYTES + LB_IPV4_BYTES + l4);
	memcpy(data, (const uint8_t[14]){2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0}, LB_ETH_BYTES);
	ip[0] = 0x45;
	lb_store_u16(ip + 2, (uint16_t)(LB_IPV4_BYTES + l4));
	ip[LB_IPV4_TTL_OFF] = 64;
	ip[9] = f->plan->protocol;
	lb_store_be32(ip + LB_IPV4_SRC_OFF, p->src_be);
	lb_store_be32(ip + LB_IPV4_DST_OFF, p->dst_be);
	lb_store_be16(ip + LB_IPV4_CHECKSUM_OFF,
		      lb_checksum_of(lb_checksum_sum(0, ip, LB_IPV4_BYTES)));
	lb_store_be16(l4_at, p->sport_be);
	lb_store_be16(l4_at + 2, p->dport_be);
	if (f->plan->protocol == IPPROTO_TCP) {
		l4_at[12] = LB_TCP_BYTES / 4 << 4;
		l4_at[13] = p->flags;
	} else {
		lb_store_u16(l4_at + 4, (uint16_t)l4);
	}
	f->burst.pkt[f->burst.n] = (struct lb_pkt){
		.data = data,
		.len = LB_ETH_BYTES + LB_IPV4_BYTES + l4,
		.headroom = HEADROOM,
		.tailroom = BUFFER_BYTES - HEADROOM - LB_ETH_BYTES - LB_IPV4_BYTES - l4};
	f->sent[f->burst.n++] = *p;
}

static void run_burst(struct flood *f)
{
	uint32_t n;

	lb_pipeline_run(f->w.pl, &f->burst, f->w.now_ms);
	n = lb_pipeline_conns(f->w.pl);
	if (n > f->out->n_conns_most)
		f->out->n_conns_most = n;
	f->burst.n = 0;
}

static bool is_forwarded(const struct lb_pkt *p)
{
	return p->verdict == LB_VERDICT_TX && !p->is_originated;
}

/* What the server answers to what reached it. */
static struct packet answer_to(const struct flood *f, const struct lb_pkt *p)
{
	const uint8_t *ip = p->data + LB_ETH_BYTES;

	return (struct packet){
		.src_be = lb_load_be32(ip + LB_IPV4_DST_OFF),
		.dst_be = lb_load_be32(ip + LB_IPV4_SRC_OFF),
		.sport_be = lb_load_be16(ip + LB_IPV4_BYTES + 2),
		.dport_be = lb_load_be16(ip + LB_IPV4_BYTES),
		.flags = f->plan->protocol == IPPROTO_TCP ? LB_TCP_SYN | LB_TCP_ACK : 0};
}

static bool send_one(struct flood *f, const struct packet *p)
{
	add_packet(f, p);
	run_burst(f);
	return is_forwarded(&f->burst.pkt[0]);
}

/* Every connection is of another client: none helps another to be known. */
static struct packet from_client(const struct flood *f, uint32_t net, uint32_t n, uint8_t flags)
{
	return (struct packet){
		.src_be = rte_cpu_to_be_32(net + n + 1),
		.dst_be = f->vip_be,
		.sport_be = rte_cpu_to_be_16(1024),
		.dport_be = rte_cpu_to_be_16(PORT),
		.flags = flags};
}

static void establish(struct flood *f)
{
	for (uint32_t n = 0; n < f->plan->n_established; n++) {
		struct packet p = from_client(f, ESTABLISHED_NET, n, LB_TCP_SYN), r;

		if (!send_one(f, &p)) {
			fprintf(stderr, "flood: connection %u was not opened\n", n);
			abort();
		}
		r = answer_to(f, &f->burst.pkt[0]);
		if (!lb_forwarding_is_one_way((uint8_t)f->plan->forwarding))
			send_one(f, &r);
		p.flags = LB_TCP_ACK;
		send_one(f, &p);
		if (n % 100 == 0)
			world_pass_time(&f->w, 1, 1);
	}
	/* A datagram that is sent again seconds later counts as more than a try. */
	if (f->plan->protocol == IPPROTO_UDP) {
		world_pass_time(&f->w, 3000, 1);
		for (uint32_t n = 0; n < f->plan->n_established; n++) {
			struct packet p = from_client(f, ESTABLISHED_NET, n, 0);

			send_one(f, &p);
		}
	}
}

static void schedule(struct flood *f, uint32_t g, uint64_t at_ms, enum stage stage)
{
	uint64_t at = at_ms - f->begin_ms;

	f->good[g].stage = (uint8_t)stage;
	if (at >= f->n_due)
		return; /* the run is over: not served */
	f->good[g].next = f->due[at];
	f->due[at] = g;
}

/* The client's packet went to a server, which answers it. */
static void was_forwarded(struct flood *f, uint32_t g)
{
	struct packet r = answer_to(f, &f->burst.pkt[0]);
	struct good *c = &f->good[g];

	c->server_be = r.src_be;
	c->nat_be = r.dst_be;
	c->nat_port_be = r.dport_be;
	schedule(f, g, f->w.now_ms + SERVER_MS, STAGE_ANSWER);
}

static void give_up_or_retry(struct flood *f, uint32_t g)
{
	static const uint32_t pause_ms[] = {1000, 2000, 4000};
	struct good *c = &f->good[g];

	if (c->n_tries <= 3)
		schedule(f, g, f->w.now_ms + pause_ms[c->n_tries - 1], STAGE_OPEN);
}

static void good_turn(struct flood *f, uint32_t g)
{
	bool is_one_way = lb_forwarding_is_one_way((uint8_t)f->plan->forwarding);
	bool is_tcp = f->plan->protocol == IPPROTO_TCP;
	struct good *c = &f->good[g];
	struct packet p = from_client(f, GOOD_NET, g, LB_TCP_SYN);

	switch ((enum stage)c->stage) {
	case STAGE_OPEN:
		c->n_tries++;
		if (send_one(f, &p))
			was_forwarded(f, g);
		else
			give_up_or_retry(f, g);
		return;
	case STAGE_ANSWER:
		p = (struct packet){c->server_be, c->nat_be, rte_cpu_to_be_16(PORT), c->nat_port_be,
				    LB_TCP_SYN | LB_TCP_ACK};
		if (!is_one_way && !send_one(f, &p))
			give_up_or_retry(f, g);
		else
			schedule(f, g, f->w.now_ms + f->plan->rtt_ms - SERVER_MS,
				 is_tcp ? STAGE_SECOND : STAGE_END);
		break;
	case STAGE_SECOND:
	case STAGE_LATER: /* a refusal now is a broken connection */
		p.flags = LB_TCP_ACK;
		if (send_one(f, &p))
			schedule(f, g, f->w.now_ms + 500,
				 c->stage == STAGE_SECOND ? STAGE_LATER : STAGE_END);
		return;
	case STAGE_END:
		f->out->n_good_served++;
		f->out->n_good_at_once += c->n_tries == 1;
	}
}

static void flood_packets(struct flood *f, uint32_t n)
{
	struct packet answers[LB_BURST_MAX];

	while (n != 0) {
		uint32_t n_burst = n < LB_BURST_MAX ? n : LB_BURST_MAX, n_answers = 0;
		uint64_t begin;

		for (uint32_t i = 0; i < n_burst; i++) {
			uint64_t r = test_random(&f->random);
			struct packet p = {.src_be = (uint32_t)r & RTE_BE32(0x7fffffff),
					   .dst_be = f->vip_be,
					   .sport_be = (uint16_t)(r >> 32),
					   .dport_be = rte_cpu_to_be_16(PORT),
					   .flags = LB_TCP_SYN};

			/* Public addresses only, and none of the others' here. */
			p.src_be |= RTE_BE32(0x10000000);
			add_packet(f, &p);
		}
		begin = clock_ns();
		run_burst(f);
		f->flood_ns += clock_ns() - begin;
		for (uint32_t i = 0; i < n_burst && f->plan->is_answered; i++)
			if (is_forwarded(&f->burst.pkt[i]))
				answers[n_answers++] = answer_to(f, &f->burst.pkt[i]);
		for (uint32_t i = 0; i < n_answers; i++)
			add_packet(f, &answers[i]);
		run_burst(f);
		f->out->n_flood += n_burst;
		n -= n_burst;
	}
}

static void run_ms(struct flood *f, uint64_t ms, bool has_newcomers)
{
	uint64_t per_s = f->plan->good_per_s, flood = f->plan->flood_per_s;
	uint32_t n_new = (uint32_t)((ms + 1) * per_s / 1000 - ms * per_s / 1000);

	flood_packets(f, (uint32_t)((ms + 1) * flood / 1000 - ms * flood / 1000));
	for (uint32_t i = 0; i < n_new && has_newcomers; i++) {
		f->out->n_good++;
		schedule(f, ++f->n_good, f->w.now_ms, STAGE_OPEN);
	}
	for (uint32_t g = f->due[ms], next; g != 0; g = next) {
		next = f->good[g].next;
		good_turn(f, g);
	}
	world_pass_time(&f->w, 1, 1);
}

static void open_world(struct flood *f)
{
	const struct flood_plan *plan = f->plan;
	struct lb_addr vip;

	world_open(&f->w, &(struct world_options){.n_connections = plan->n_connections,
						  .seed = plan->seed});
	f->w.nat_source.first_port = (uint16_t)plan->first_nat_port;
	f->w.nat_source.last_port = (uint16_t)plan->last_nat_port;
	world_command(&f->w, LB_CMD_NAT_SOURCE, 0, &f->w.nat_source, 0);
	world_service(&f->w, &(struct world_service){.protocol = plan->protocol,
						     .first_port = PORT,
						     .forwarding = plan->forwarding,
						     .starts_per_s_max = plan->starts_per_s_max,
						     .conns_max = plan->conns_max,
						     .n_servers = FLOOD_SERVERS});
	lb_addr_parse(WORLD_VIP, &vip);
	f->vip_be = lb_addr_v4(&vip);
}

static void count_lost(struct flood *f)
{
	for (uint32_t n = 0; n < f->plan->n_established; n++) {
		struct packet p = from_client(f, ESTABLISHED_NET, n, LB_TCP_ACK);
		uint64_t created = world_count(&f->w, LB_COUNT_conn_created);

		if (!send_one(f, &p) || world_count(&f->w, LB_COUNT_conn_created) != created)
			f->out->n_lost++;
	}
}

uint32_t flood_capacity(const struct flood_plan *plan)
{
	return 2 * plan->n_connections / lb_conn_n_entries((uint8_t)plan->forwarding);
}

void flood_run(const struct flood_plan *plan, struct flood_result *out)
{
	struct flood *f = calloc(1, sizeof(*f));
	uint64_t last_ms = plan->seconds * 1000ull;

	memset(out, 0, sizeof(*out));
	f->plan = plan;
	f->out = out;
	f->random.state = plan->seed;
	f->good = calloc((size_t)plan->good_per_s * plan->seconds + 2, sizeof(*f->good));
	f->n_due = (uint32_t)last_ms + FLOOD_PATIENCE_MS;
	f->due = calloc(f->n_due, sizeof(*f->due));
	open_world(f);
	establish(f);
	f->begin_ms = f->w.now_ms;
	for (uint64_t ms = 0; ms < f->n_due; ms++)
		run_ms(f, ms, ms < last_ms);
	count_lost(f);
	out->n_evicted_embryonic = world_count(&f->w, LB_COUNT_conn_evicted_embryonic);
	out->n_evicted_idle = world_count(&f->w, LB_COUNT_conn_evicted_idle);
	out->n_unproven = world_count(&f->w, LB_COUNT_drop_unproven);
	out->n_exhausted = world_count(&f->w, LB_COUNT_drop_nat_exhausted);
	out->ns_per_packet = out->n_flood == 0 ? 0 : (double)f->flood_ns / (double)out->n_flood;
	world_close(&f->w);
	free(f->due);
	free(f->good);
	free(f);
}
