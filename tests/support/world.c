#include "world.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "packet/parse.h"
#include "packet/key.h"

static const uint8_t OWN_MAC[6] = {2, 0, 0, 0, 0, 1};

__attribute__((format(printf, 1, 2), noreturn)) static void give_up(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	abort();
}

static void *map(size_t bytes)
{
	void *mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (mem == MAP_FAILED)
		give_up("world: no memory");
	return mem;
}

static struct lb_addr addr_of(const char *text)
{
	struct lb_addr a;

	if (lb_addr_parse(text, &a) != 0)
		give_up("world: %s is no address", text);
	return a;
}

static struct lb_addr server_addr(uint32_t server, bool is_v6)
{
	char text[LB_ADDR_TEXT_MAX];

	snprintf(text, sizeof(text), is_v6 ? "2001:db8::%u" : "192.0.2.%u", 20 + server);
	return addr_of(text);
}

void world_command(struct world *w, enum lb_cmd_type type, uint32_t idx, const void *object,
		   uint64_t value)
{
	struct lb_cmd cmd = {.type = type, .idx = idx, .object = object, .value = value};

	lb_pipeline_apply(w->pl, &cmd);
}

static void add_servers(struct world *w)
{
	for (uint32_t i = 0; i < 2 * WORLD_REALS; i++) {
		struct lb_real real = {.addr = server_addr(i % WORLD_REALS, i >= WORLD_REALS),
				       .in_use = 1,
				       .machine_id = i,
				       .next_hop = i + 1};
		struct lb_next_hop nh = {
			.mac = {2, 0, 0, 0, 2, (uint8_t)i}, .iface = 0, .resolved = 1};

		world_command(w, LB_CMD_REAL, i, &real, 0);
		world_command(w, LB_CMD_NEXT_HOP, i + 1, &nh, 0);
		world_command(w, LB_CMD_TARGET, i, NULL, LB_TARGET_NEW | LB_TARGET_KEEP);
		world_command(w, LB_CMD_TARGET, 100 + i, NULL, LB_TARGET_NEW | LB_TARGET_KEEP);
	}
}

void world_open(struct world *w, const struct world_options *options)
{
	static const struct world_options defaults;
	const struct world_options *o = options != NULL ? options : &defaults;
	struct lb_pipeline_params params = {
		.worker = o->worker,
		.n_workers = o->n_workers != 0 ? o->n_workers : 1,
		.n_connections = o->n_connections != 0 ? o->n_connections : 1000,
		.seed = o->seed,
		.rss = o->rss,
	};
	uint32_t n_records = o->n_records != 0 ? o->n_records : 1000;
	struct lb_iface iface = {.mtu = 1500};

	memset(w, 0, sizeof(*w));
	w->now_ms = 5000;
	w->persist = o->persist;
	if (o->persist == NULL) {
		w->persist_bytes = lb_persist_bytes(n_records);
		w->persist_mem = map(w->persist_bytes);
		if (lb_persist_init(w->persist_mem, n_records, o->seed, &w->persist) != 0)
			give_up("world: lb_persist_init");
	}
	params.persist = w->persist;
	w->pipeline_bytes = lb_pipeline_bytes(&params);
	w->pipeline_mem = map(w->pipeline_bytes);
	if (lb_pipeline_init(w->pipeline_mem, &params, &w->pl) != 0)
		give_up("world: lb_pipeline_init");
	memcpy(iface.mac, OWN_MAC, sizeof(iface.mac));
	iface.tunnel_source[0] = addr_of("192.0.2.2");
	iface.tunnel_source[1] = addr_of("2001:db8::2");
	world_command(w, LB_CMD_IFACE, 0, &iface, 0);
	add_servers(w);
	w->nat_source = (struct lb_nat_source){
		.first_port = WORLD_NAT_FIRST, .last_port = WORLD_NAT_LAST, .n_v4 = 1, .n_v6 = 1};
	w->nat_source.v4[0] = (struct lb_nat_addr){addr_of(WORLD_VIP), 1};
	w->nat_source.v6[0] = (struct lb_nat_addr){addr_of(WORLD_VIP6), 2};
	world_command(w, LB_CMD_NAT_SOURCE, 0, &w->nat_source, 0);
}

void world_close(struct world *w)
{
	for (uint32_t i = 0; i < LB_HELD_MAX; i++)
		free(w->held[i]);
	munmap(w->pipeline_mem, w->pipeline_bytes);
	if (w->persist_mem != NULL)
		munmap(w->persist_mem, w->persist_bytes);
	for (uint32_t i = 0; i < w->n_services; i++)
		lb_service_free(w->services[i]);
	lb_route_table_free(w->routes);
}

static struct lb_maglev *make_table(const struct world_service *s, bool is_v6)
{
	struct lb_maglev_server list[WORLD_REALS];
	struct lb_maglev *table;
	uint32_t size = lb_maglev_size(0, s->n_servers);

	for (uint32_t i = 0; i < s->n_servers; i++) {
		list[i].addr = server_addr(s->first_server + i, is_v6);
		list[i].weight = s->weights != NULL ? s->weights[i] : 1;
	}
	return lb_maglev_build(list, s->n_servers, size, &table) == 0 ? table : NULL;
}

/* The service that was put into the slot last; of another epoch it settles nothing. */
static const struct lb_service *installed(const struct world *w, uint32_t slot)
{
	for (uint32_t i = w->n_services; i > 0; i--)
		if (w->slots[i - 1] == slot)
			return w->services[i - 1];
	return NULL;
}

void world_service(struct world *w, const struct world_service *s)
{
	struct lb_port_range ports = {s->first_port,
				      s->last_port != 0 ? s->last_port : s->first_port};
	struct lb_addr vip = addr_of(s->vip != NULL ? s->vip : WORLD_VIP);
	bool is_v6 = !lb_addr_is_v4(&vip);
	struct lb_service_server servers[WORLD_REALS];
	struct lb_error err = {0};
	struct lb_service_params params = {
		.vip = vip,
		.protocol = s->protocol != 0 ? s->protocol : IPPROTO_TCP,
		.epoch = s->epoch,
		.forwarding = (uint8_t)s->forwarding,
		.scheduler = (uint8_t)s->scheduler,
		.no_server_action = (uint8_t)s->no_server_action,
		.server_down_action = (uint8_t)s->server_down_action,
		.server_down_drain_s = s->server_down_drain_s,
		.persist_len = is_v6 ? 128 : 32,
		.group_id = s->group_id,
		.gue_port = 9886,
		.idle_timeout_ms = s->idle_timeout_ms != 0 ? s->idle_timeout_ms : 900000,
		.persist_timeout_ms = s->persist_timeout_ms != 0 ? s->persist_timeout_ms : 3600000,
		.is_stateless = s->is_stateless,
		.settle_ms = WORLD_SETTLE_MS,
		.starts_per_s_max = s->starts_per_s_max,
		.conns_max = s->conns_max,
		.ports = &ports,
		.n_ports = 1,
		.servers = servers,
		.n_servers = s->n_servers,
	};

	if (w->n_services == WORLD_SERVICES_MAX || s->n_servers > WORLD_REALS)
		give_up("world: too many services or servers");
	for (uint32_t i = 0; i < s->n_servers; i++) {
		uint32_t id = s->first_server + i + (is_v6 ? WORLD_REALS : 0);

		servers[i] = (struct lb_service_server){
			.real_id = id,
			.machine_id = id,
			.target_id = id,
			.group_target_id = s->group_id != 0 ? 100 + id : id,
			.weight = s->weights != NULL ? s->weights[i] : 1,
		};
	}
	if (lb_sched_has_table(s->scheduler))
		params.maglev = make_table(s, is_v6);
	if (lb_settling_build(installed(w, s->slot), &params, w->now_ms, &params.settling) != 0)
		give_up("world: lb_settling_build");
	if (lb_service_build(&params, &w->services[w->n_services], &err) != 0)
		give_up("world: %s: %s", err.where, err.what);
	lb_maglev_unref(params.maglev);
	w->slots[w->n_services] = s->slot;
	world_command(w, LB_CMD_SERVICE, s->slot, w->services[w->n_services++], 0);
}

void world_no_service(struct world *w, uint32_t slot)
{
	world_command(w, LB_CMD_SERVICE, slot, NULL, 0);
}

void world_server_state(struct world *w, uint32_t server, uint32_t bits)
{
	for (uint32_t id = server; id < 2 * WORLD_REALS; id += WORLD_REALS) {
		world_command(w, LB_CMD_TARGET, id, NULL, bits);
		world_command(w, LB_CMD_TARGET, 100 + id, NULL, bits);
	}
}

void world_server_down(struct world *w, uint32_t server, uint32_t generation)
{
	world_server_state(w, server, LB_TARGET_DOWN);
	world_command(w, LB_CMD_MEMBER, 100 + server, NULL, generation);
	world_command(w, LB_CMD_MEMBER, 100 + WORLD_REALS + server, NULL, generation);
}

const char *world_imbalance(const struct world *w)
{
	uint64_t value[LB_COUNTER_N];
	uint64_t ended;

	for (int i = 0; i < LB_COUNTER_N; i++)
		value[i] = lb_pipeline_counter(w->pl, (enum lb_counter)i);
	if (lb_counters_imbalance(value) != 0)
		return "the accounting law does not hold";
	ended = value[LB_COUNT_conn_expired] + value[LB_COUNT_conn_closed] +
		value[LB_COUNT_conn_evicted_closed] + value[LB_COUNT_conn_evicted_embryonic] +
		value[LB_COUNT_conn_evicted_idle] + value[LB_COUNT_conn_orphaned] +
		value[LB_COUNT_conn_released];
	if (value[LB_COUNT_conn_created] - ended != lb_pipeline_conns(w->pl))
		return "connections created and ended do not make those that live";
	return "";
}

/* The frame afterwards holds the packet's bytes wherever the view has moved to. */
static void take_back(struct frame *f, const struct lb_pkt *p)
{
	if (p->data != frame_at(f, 0))
		memmove(frame_at(f, 0), p->data, p->len);
	f->len = p->len;
}

/* A transport checksum that RFC 4884 leaves outside of the quote cannot be kept right. */
static bool is_checksum_unquoted(const struct lb_pkt *p)
{
	uint32_t off = lb_key_proto(&p->key) == IPPROTO_TCP ? 16 : 6;

	return p->kind == LB_PKT_ICMP_ERROR && p->quote_l4_off + off + 2 > p->quote_end;
}

static void judge(const struct world *w, const struct lb_pkt *p, bool was_sound)
{
	const char *complaint;

	if (p->verdict == LB_VERDICT_CONTINUE || p->verdict >= LB_VERDICT_N)
		give_up("world: verdict %u is not final", p->verdict);
	if (p->verdict == LB_VERDICT_DROP &&
	    lb_counter_info[p->drop_reason].kind != LB_COUNTER_DROP)
		give_up("world: dropped under %s", lb_counter_info[p->drop_reason].name);
	if (world_imbalance(w)[0] != '\0')
		give_up("world: %s", world_imbalance(w));
	if (p->verdict != LB_VERDICT_TX || !was_sound || is_checksum_unquoted(p))
		return;
	complaint = frame_verify(p->data, p->len);
	if (complaint != NULL)
		give_up("world: sent a frame that is wrong: %s", complaint);
}

static void keep(struct world *w, const struct lb_pkt *p, const struct frame *f)
{
	struct world_held *held = malloc(sizeof(*held));

	if (held == NULL || p->held_slot >= LB_HELD_MAX || w->held[p->held_slot] != NULL)
		give_up("world: slot %u cannot hold a fragment", p->held_slot);
	held->frame = *f;
	held->is_handed = p->is_handed;
	w->held[p->held_slot] = held;
}

/* Views over `frames` are in the burst; `is_again`: these have waited. */
static void run(struct world *w, struct frame *frames, uint32_t n, bool is_again)
{
	bool was_sound[LB_BURST_MAX];

	for (uint32_t i = 0; i < n; i++)
		was_sound[i] = frame_verify(w->burst.pkt[i].data, w->burst.pkt[i].len) == NULL;
	w->burst.n = n;
	if (is_again)
		lb_pipeline_run_again(w->pl, &w->burst, w->now_ms);
	else
		lb_pipeline_run(w->pl, &w->burst, w->now_ms);
	if (w->is_handed && !is_again) {
		lb_pipeline_count(w->pl, LB_COUNT_rx, -(uint64_t)n);
		lb_pipeline_count(w->pl, LB_COUNT_handed_in, n);
	}
	for (uint32_t i = 0; i < n; i++) {
		judge(w, &w->burst.pkt[i], was_sound[i]);
		take_back(&frames[i], &w->burst.pkt[i]);
		if (w->burst.pkt[i].verdict == LB_VERDICT_HOLD)
			keep(w, &w->burst.pkt[i], &frames[i]);
	}
	if (n != 0)
		w->last = w->burst.pkt[n - 1];
}

void world_send_burst(struct world *w, struct frame *frames, uint32_t n)
{
	if (n > LB_BURST_MAX)
		give_up("world: burst of %u", n);
	for (uint32_t i = 0; i < n; i++) {
		w->burst.pkt[i] = frame_view(&frames[i]);
		w->burst.pkt[i].is_handed = w->is_handed;
	}
	run(w, frames, n, false);
}

uint32_t world_take_back(struct world *w, struct frame frames[LB_BURST_MAX], bool *is_more)
{
	struct lb_held_back back[LB_BURST_MAX];
	uint32_t n = lb_pipeline_take_back(w->pl, back, LB_BURST_MAX), n_again = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct world_held *held = w->held[back[i].slot];

		if (held == NULL)
			give_up("world: slot %u has been given back twice", back[i].slot);
		w->held[back[i].slot] = NULL;
		if (!back[i].is_ended) {
			frames[n_again] = held->frame;
			w->burst.pkt[n_again] = frame_view(&frames[n_again]);
			w->burst.pkt[n_again++].is_handed = held->is_handed;
		}
		free(held);
	}
	*is_more = n != 0;
	run(w, frames, n_again, true);
	return n_again;
}

uint32_t world_settle(struct world *w, struct frame *sent, uint32_t max)
{
	struct frame frames[LB_BURST_MAX];
	uint32_t n_sent = 0;
	bool is_more;

	do {
		uint32_t n = world_take_back(w, frames, &is_more);

		for (uint32_t i = 0; i < n; i++) {
			if (w->burst.pkt[i].verdict != LB_VERDICT_TX)
				continue;
			if (n_sent < max)
				sent[n_sent] = frames[i];
			n_sent++;
		}
	} while (is_more);
	return n_sent;
}

enum lb_verdict world_send(struct world *w, struct frame *f)
{
	world_send_burst(w, f, 1);
	return (enum lb_verdict)w->last.verdict;
}

/* Sound frames; the last ones stay, by the VIP or not as source: to the client or to the server. */
static void take_questions(struct world *w)
{
	for (;;) {
		struct lb_pkt p;
		struct frame f;

		frame_eth(&f);
		p = (struct lb_pkt){.data = f.room + FRAME_HEADROOM,
				    .headroom = LB_QUESTION_ROOM,
				    .tailroom = LB_QUESTION_ROOM};
		if (!lb_pipeline_take_question(w->pl, &p))
			return;
		f.len = p.len;
		f.l3_off = p.l3_off;
		f.is_v6 = p.data[p.l3_off] >> 4 == 6;
		f.l4_off = p.l3_off + (f.is_v6 ? 40u : 20u);
		if (frame_verify(p.data, p.len) != NULL)
			give_up("world: a question is malformed: %s", frame_verify(p.data, p.len));
		w->asked[world_server_of(&f) == WORLD_REALS ? 0 : 1] = f;
	}
}

void world_pass_time(struct world *w, uint64_t ms, uint64_t step_ms)
{
	while (ms != 0) {
		uint64_t step = ms < step_ms ? ms : step_ms;

		ms -= step;
		w->now_ms += step;
		lb_pipeline_age(w->pl, w->now_ms);
		take_questions(w);
		if (world_settle(w, NULL, 0) != 0)
			give_up("world: a fragment was sent because time passed");
	}
	if (world_imbalance(w)[0] != '\0')
		give_up("world: after ageing: %s", world_imbalance(w));
}

uint64_t world_count(const struct world *w, enum lb_counter counter)
{
	return lb_pipeline_counter(w->pl, counter);
}

struct world_fields world_fields(const struct frame *f)
{
	struct world_fields out = {0};
	struct lb_pkt p = frame_view((struct frame *)(uintptr_t)f);
	const uint8_t *ip;
	struct lb_addr src = {{0, 0, RTE_BE32(0xffff), 0}}, dst = src;

	lb_parse(&p);
	ip = p.data + p.l3_off;
	memcpy(out.dst_mac, p.data, 6);
	memcpy(out.src_mac, p.data + 6, 6);
	if (p.key.is_v6) {
		memcpy(&src, ip + 8, 16);
		memcpy(&dst, ip + 24, 16);
	} else {
		memcpy(&src.word_be[3], ip + 12, 4);
		memcpy(&dst.word_be[3], ip + 16, 4);
	}
	lb_addr_format(&src, out.src);
	lb_addr_format(&dst, out.dst);
	out.ttl = p.key.is_v6 ? ip[7] : ip[8];
	out.sport = rte_be_to_cpu_16(lb_key_sport(&p.key));
	out.dport = rte_be_to_cpu_16(lb_key_dport(&p.key));
	out.flags = p.tcp_flags;
	return out;
}

static void ip_header(struct frame *f, const char *src, const char *dst)
{
	frame_eth(f);
	if (strchr(src, ':') != NULL)
		frame_ipv6(f, src, dst);
	else
		frame_ipv4(f, src, dst);
}

void world_tcp(struct frame *f, const char *src, uint16_t sport, const char *dst, uint16_t dport,
	       uint8_t flags)
{
	ip_header(f, src, dst);
	frame_tcp(f, sport, dport, flags);
	frame_tcp_numbers(f, 1000, (flags & LB_TCP_ACK) != 0 ? 2000 : 0);
	if (flags == LB_TCP_ACK)
		frame_text(f, "odd bytes");
	frame_finish(f);
}

void world_udp(struct frame *f, const char *src, uint16_t sport, const char *dst, uint16_t dport)
{
	ip_header(f, src, dst);
	frame_udp(f, sport, dport);
	frame_text(f, "datagram");
	frame_finish(f);
}

void world_tcp_answer(struct frame *f, const struct frame *in, uint8_t flags)
{
	struct world_fields i = world_fields(in);

	world_tcp(f, i.dst, i.dport, i.src, i.sport, flags);
}

void world_udp_answer(struct frame *f, const struct frame *in)
{
	struct world_fields i = world_fields(in);

	world_udp(f, i.dst, i.dport, i.src, i.sport);
}

uint32_t world_server_of(const struct frame *f)
{
	struct world_fields out = world_fields(f);
	char text[LB_ADDR_TEXT_MAX];

	for (uint32_t i = 0; i < WORLD_REALS; i++) {
		struct lb_addr v4 = server_addr(i, false), v6 = server_addr(i, true);

		if (strcmp(lb_addr_format(&v4, text), out.dst) == 0 ||
		    strcmp(lb_addr_format(&v6, text), out.dst) == 0)
			return i;
	}
	return WORLD_REALS;
}
