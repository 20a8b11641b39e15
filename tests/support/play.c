#include "play.h"

#include <netinet/in.h>
#include <stdio.h>

#include "parts.h"
#include "pipeline_state.h"
#include "world.h"

#define SLOTS 6u

struct stage {
	const uint8_t *at;
	const uint8_t *end;
	struct world w;
	struct frame pending[LB_BURST_MAX];
	uint32_t n_pending;
	struct frame last; /* the last frame that left; len 0: none yet */
	uint8_t epochs[SLOTS];
	uint8_t real_epochs[2 * WORLD_REALS];
	uint32_t generations[WORLD_REALS];
	struct lb_route_table *routes[2]; /* a table lives until the one after the next */
};

static uint8_t byte(struct stage *s)
{
	return s->at < s->end ? *s->at++ : 0;
}

static void flush(struct stage *s)
{
	world_send_burst(&s->w, s->pending, s->n_pending);
	for (uint32_t i = 0; i < s->n_pending; i++)
		if (s->w.burst.pkt[i].verdict == LB_VERDICT_TX)
			s->last = s->pending[i];
	s->n_pending = 0;
	world_settle(&s->w, NULL, 0);
}

/* There is room: each act adds one frame at most and begins with a flush where need be. */
static struct frame *next_frame(struct stage *s)
{
	return &s->pending[s->n_pending++];
}

static const uint16_t PORTS[] = {80, 135, 443, WORLD_NAT_FIRST + 3, 6000, 6100, 55000, 53};

static void act_flow(struct stage *s)
{
	uint8_t who = byte(s), how = byte(s), port = byte(s);
	bool is_v6 = who & 1, is_tcp = who & 2;
	const char *vip = is_v6 ? WORLD_VIP6 : WORLD_VIP;
	struct frame *f = next_frame(s);
	char client[LB_ADDR_TEXT_MAX];

	if ((who & 0x1c) == 0)
		vip = is_v6 ? "2001:db8::21" : "192.0.2.21";
	snprintf(client, sizeof(client), is_v6 ? "2001:db8:1::%u" : "198.51.100.%u",
		 1 + (who >> 5));
	if (is_tcp)
		world_tcp(f, client, (uint16_t)(40000 + (port >> 3)), vip, PORTS[port & 7],
			  how & 0x17);
	else
		world_udp(f, client, (uint16_t)(40000 + (port >> 3)), vip, PORTS[port & 7]);
	if ((how & 0xe0) == 0xe0) {
		frame_ttl(f, (how & 8) != 0 ? 1 : 2);
		frame_finish(f);
	}
	*frame_at(f, 11) = (uint8_t)(2 + (who >> 5)); /* each client has its MAC */
}

/* Bytes changed at random may be frames that the builder has no words for. */
static bool is_answerable(const struct frame *f)
{
	struct world_fields q;
	struct lb_addr a;

	if (f->len == 0 || f->l4_off == 0)
		return false;
	q = world_fields(f);
	return lb_addr_parse(q.src, &a) == 0 && lb_addr_parse(q.dst, &a) == 0 &&
	       (strchr(q.src, ':') != NULL) == f->is_v6 && (strchr(q.dst, ':') != NULL) == f->is_v6;
}

/* One part of a packet; others of it may have been there, or come, or be cut otherwise. */
static void act_part(struct stage *s)
{
	uint8_t who = byte(s), how = byte(s);
	uint32_t size = 8 + 8 * (how >> 5), n;
	bool is_v6 = who & 1, is_reply = who & 4;
	struct frame whole, parts[PARTS_MAX];

	if (is_reply && s->last.len != 0 && is_answerable(&s->last)) {
		world_udp_answer(&whole, &s->last);
	} else {
		frame_eth(&whole);
		if (is_v6)
			frame_ipv6(&whole, "2001:db8:1::1", WORLD_VIP6);
		else
			frame_ipv4(&whole, "198.51.100.1", WORLD_VIP);
		if (is_v6 && (who & 8) != 0)
			frame_ipv6_extension(&whole, IPPROTO_DSTOPTS, 8);
		if (who & 2)
			frame_tcp(&whole, 40000, PORTS[who >> 5], LB_TCP_ACK);
		else
			frame_udp(&whole, 40000, PORTS[who >> 5]);
		frame_fill(&whole, 40);
		frame_finish(&whole);
	}
	n = parts_cut(&whole, how >> 2 & 7, size, parts);
	*next_frame(s) = parts[(how & 3) % n];
}

static void act_answer(struct stage *s)
{
	uint8_t flags = byte(s);

	if (!is_answerable(&s->last))
		return;
	if (s->last.proto == IPPROTO_UDP)
		world_udp_answer(next_frame(s), &s->last);
	else
		world_tcp_answer(next_frame(s), &s->last, flags & 0x17);
}

static void act_error(struct stage *s)
{
	uint8_t how = byte(s);
	struct world_fields q;
	struct frame *f;

	if (!is_answerable(&s->last))
		return;
	q = world_fields(&s->last);
	f = next_frame(s);
	frame_eth(f);
	if (s->last.is_v6) {
		frame_ipv6(f, how & 1 ? q.dst : "2001:db8:2::1", how & 2 ? q.src : WORLD_VIP6);
		frame_icmp(f, 1 + (how >> 4 & 3), 0, 1280);
	} else {
		frame_ipv4(f, how & 1 ? q.dst : "203.0.113.1", how & 2 ? q.src : WORLD_VIP);
		frame_icmp(f, how & 16 ? 3 : 11, 0, 0);
	}
	frame_quote(f, &s->last, how & 4 ? FRAME_BYTES_MAX : (s->last.is_v6 ? 48 : 28));
	frame_finish(f);
}

static void act_raw(struct stage *s)
{
	uint32_t n = byte(s);
	struct frame *f = next_frame(s);

	if (n > (size_t)(s->end - s->at))
		n = (uint32_t)(s->end - s->at);
	frame_eth(f);
	f->len = 0;
	frame_bytes(f, s->at, n);
	s->at += n;
}

/* The last frame again, with one byte of it changed. */
static void act_mutate(struct stage *s)
{
	uint32_t off = byte(s);
	uint8_t value = byte(s);
	struct frame *f;

	if (s->last.len == 0)
		return;
	f = next_frame(s);
	*f = s->last;
	*frame_at(f, off % f->len) ^= value;
	if (value & 1) /* cut short as well */
		f->len -= off % f->len;
}

static void act_service(struct stage *s)
{
	uint8_t what = byte(s), how = byte(s);
	uint32_t slot = what % SLOTS;
	struct world_service service = {
		.slot = slot,
		.vip = slot & 1 ? WORLD_VIP6 : WORLD_VIP,
		.protocol = slot & 2 ? IPPROTO_UDP : IPPROTO_TCP,
		.first_port = PORTS[how & 3],
		.forwarding = how & 4 ? LB_FORWARD_NAT : LB_FORWARD_FULLNAT,
		.scheduler = (enum lb_scheduler)(((what >> 3 & 6) | (how >> 3 & 1)) % LB_SCHED_N),
		.no_server_action = how & 16 ? LB_NO_SERVER_REJECT : LB_NO_SERVER_DROP,
		.group_id = how & 32 ? (uint16_t)(1 + (how >> 7)) : 0,
		.idle_timeout_ms = 60000,
		.persist_timeout_ms = 120000,
		.n_servers = how >> 6,
	};

	if (what & 0x80) {
		world_no_service(&s->w, slot);
		return;
	}
	if (s->w.n_services == WORLD_SERVICES_MAX)
		return;
	if (what & 0x40)
		service.last_port = 6100;
	if (service.last_port != 0 && service.last_port < service.first_port)
		service.last_port = 0;
	if ((what & 0x10) != 0 && (how & 4) != 0 && service.group_id == 0) {
		service.forwarding = LB_FORWARD_DSR;
		service.scheduler = what & 8 ? LB_SCHED_MAGLEV : LB_SCHED_SOURCE_HASH;
		service.is_stateless = (how & 16) != 0;
	}
	if ((what & 8) != 0)
		service.server_down_action = slot & 2 ? LB_SERVER_DOWN_MOVE : LB_SERVER_DOWN_RESET;
	if (what & 0x20)
		s->epochs[slot]++;
	service.epoch = s->epochs[slot];
	world_service(&s->w, &service);
}

static void act_real(struct stage *s)
{
	uint8_t what = byte(s);
	uint32_t id = what % (2 * WORLD_REALS), i = id % WORLD_REALS;
	struct lb_real real = {.machine_id = id, .next_hop = id + 1};
	char text[LB_ADDR_TEXT_MAX];

	if ((what & 0x80) == 0) {
		real.in_use = 1;
		real.epoch = what & 0x40 ? ++s->real_epochs[id] : s->real_epochs[id];
		snprintf(text, sizeof(text), id >= WORLD_REALS ? "2001:db8::%u" : "192.0.2.%u",
			 20 + i + (real.epoch & 1) * 40);
		lb_addr_parse(text, &real.addr);
	}
	world_command(&s->w, LB_CMD_REAL, id, &real, 0);
}

static void set_routes(struct stage *s, uint8_t what)
{
	struct lb_route route = {.next_hop = what & 4 ? 20 : LB_NEXT_HOP_NONE};
	struct lb_route_table *table = NULL;

	lb_prefix_parse(what & 8 ? "0.0.0.0/0" : "198.51.100.0/30", &route.prefix);
	if (lb_route_table_build(&route, what & 16 ? 0 : 1, &table) != 0)
		return;
	lb_route_table_free(s->routes[0]);
	s->routes[0] = s->routes[1];
	s->routes[1] = table;
	world_command(&s->w, LB_CMD_ROUTES, 0, table, 0);
}

static void act_network(struct stage *s)
{
	uint8_t what = byte(s);
	uint32_t id = 1 + (what >> 3);
	struct lb_next_hop nh = {.mac = {2, 0, 0, 1, 2, what}, .resolved = 1};

	switch (what & 3) {
	case 0:
		world_command(&s->w, LB_CMD_NEXT_HOP, id, NULL, 0);
		break;
	case 1:
		world_command(&s->w, LB_CMD_NEXT_HOP, id, &nh, 0);
		break;
	case 2:
		world_command(&s->w, LB_CMD_NAT_SOURCE, 0, what & 4 ? NULL : &s->w.nat_source, 0);
		break;
	default:
		set_routes(s, what);
	}
}

static void act_state(struct stage *s)
{
	uint8_t what = byte(s);
	uint32_t server = what % WORLD_REALS;

	if (what & 0x80)
		world_server_down(&s->w, server, ++s->generations[server] & 0x3fff);
	else
		world_server_state(&s->w, server, what >> 4 & 3);
}

static void act_time(struct stage *s)
{
	uint8_t how = byte(s);

	/* From a millisecond to minutes, and the rare jump of hours. */
	if (how == 0xff)
		world_pass_time(&s->w, 7200000, 3600000);
	else
		world_pass_time(&s->w, (uint64_t)how * how * (how & 1 ? 1 : 4), 2000);
}

static void act_ask(struct stage *s)
{
	uint32_t ids[3], n = lb_pipeline_take_unresolved(s->w.pl, ids, 3);

	for (uint32_t i = 0; i < n; i++) {
		struct lb_next_hop nh = {.mac = {2, 0, 0, 9, 0, 1}, .resolved = 1};

		world_command(&s->w, LB_CMD_NEXT_HOP, ids[i], &nh, 0);
	}
}

static void act(struct stage *s)
{
	uint8_t what = byte(s);

	if ((what & 15) >= 9 || (what & 0x80) != 0 || s->n_pending == LB_BURST_MAX)
		flush(s);
	switch (what & 15) {
	case 4:
		act_part(s);
		break;
	case 5:
		act_answer(s);
		break;
	case 6:
		act_error(s);
		break;
	case 7:
		act_raw(s);
		break;
	case 8:
		act_mutate(s);
		break;
	case 9:
		act_state(s);
		break;
	case 10:
		act_service(s);
		break;
	case 11:
		act_real(s);
		break;
	case 12:
		act_network(s);
		break;
	case 13:
		act_time(s);
		break;
	case 14:
		act_ask(s);
		break;
	case 15:
		break;
	default:
		act_flow(s);
	}
}

static void set_the_scene(struct stage *s)
{
	world_open(&s->w, &(struct world_options){.n_connections = 24, .n_records = 16, .seed = 1});
	for (uint32_t slot = 0; slot < 4; slot++)
		world_service(&s->w, &(struct world_service){
					     .slot = slot,
					     .vip = slot & 1 ? WORLD_VIP6 : WORLD_VIP,
					     .protocol = slot & 2 ? IPPROTO_UDP : IPPROTO_TCP,
					     .first_port = 80,
					     .last_port = 135,
					     .group_id = 1,
					     .idle_timeout_ms = 60000,
					     .persist_timeout_ms = 120000,
					     .n_servers = 3});
}

/* Nothing is left when everybody has been silent for long enough. */
static void last_scene(struct stage *s)
{
	flush(s);
	world_pass_time(&s->w, 200000, 1000);
	if (lb_pipeline_conns(s->w.pl) != 0 ||
	    lb_conn_count(s->w.pl->steer.conn_table, false) != 0 ||
	    lb_conn_count(s->w.pl->steer.conn_table, true) != 0) {
		fprintf(stderr, "play: connections outlive their idle time\n");
		__builtin_trap();
	}
}

void play(const uint8_t *story, size_t size, struct play_totals *totals)
{
	static _Thread_local struct stage stage;
	struct stage *s = &stage;

	memset(s, 0, sizeof(*s));
	s->at = story;
	s->end = story + size;
	set_the_scene(s);
	while (s->at < s->end)
		act(s);
	last_scene(s);
	if (totals != NULL) {
		totals->sent += world_count(&s->w, LB_COUNT_tx);
		totals->originated += world_count(&s->w, LB_COUNT_originated);
		totals->punted += world_count(&s->w, LB_COUNT_punted);
		totals->dropped += world_count(&s->w, LB_COUNT_rx) +
				   world_count(&s->w, LB_COUNT_originated) -
				   world_count(&s->w, LB_COUNT_tx) -
				   world_count(&s->w, LB_COUNT_punted);
		totals->conns += world_count(&s->w, LB_COUNT_conn_created);
		totals->parted += world_count(&s->w, LB_COUNT_drop_fragment_timeout);
		totals->translated += world_count(&s->w, LB_COUNT_icmp_translated);
	}
	world_close(&s->w);
	lb_route_table_free(s->routes[0]);
	lb_route_table_free(s->routes[1]);
}
