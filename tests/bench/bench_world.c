#include "bench_world.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bench_frame.h"
#include "bench_plan.h"
#include "huge_blocks.h"
#include "steer/conn.h"
#include "steer/service_find.h"

#define SEED 20260101u
#define PORTS_PER_CLIENT 32u
#define SERVICE_PORT 443u
#define EXPIRE_MS 300000u /* more than a handshake may take */
#define NEWCOMERS 400000000u
#define AGE_BUCKETS 1024u /* buckets of one call of lb_pipeline_age */

static void die(const char *what)
{
	fprintf(stderr, "ballast_bench: %s\n", what);
	exit(1);
}

void *bench_alloc(size_t bytes)
{
	void *mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (mem == MAP_FAILED)
		die("no memory for the tables");
	madvise(mem, bytes, MADV_HUGEPAGE);
	return mem;
}

uint64_t bench_random(struct bench_world *w)
{
	uint64_t z = w->random += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static struct lb_addr addr_of(const struct bench_world *w, uint32_t net, uint32_t number)
{
	return bench_addr(w->shape.is_v6, net, number);
}

static struct lb_addr vip_of(const struct bench_world *w, uint32_t service)
{
	return addr_of(w, BENCH_VIPS, service + 1);
}

static void apply(struct bench_world *w, enum lb_cmd_type type, uint32_t idx, const void *object,
		  uint64_t value)
{
	struct lb_cmd cmd = {type, idx, object, value};

	lb_pipeline_apply(w->pl, &cmd);
}

/* Source addresses for fullnat: 50 000 ports each towards each of the servers. */
static void add_nat_source(struct bench_world *w)
{
	struct lb_nat_source *src = calloc(1, sizeof(*src));

	if (src == NULL)
		die("no memory");
	src->first_port = 10000;
	src->last_port = 59999;
	for (uint16_t i = 0; i < BENCH_N_NAT_SOURCES; i++) {
		struct lb_nat_addr a = {addr_of(w, BENCH_NAT_SOURCES, i + 1u), (uint16_t)(i + 1)};

		if (w->shape.is_v6)
			src->v6[src->n_v6++] = a;
		else
			src->v4[src->n_v4++] = a;
	}
	apply(w, LB_CMD_NAT_SOURCE, 1, src, 0);
}

static void add_servers(struct bench_world *w)
{
	struct lb_iface iface = {.mtu = 1500};

	memcpy(iface.mac, bench_mac_own, sizeof(iface.mac));
	iface.tunnel_source[w->shape.is_v6 ? 1 : 0] = addr_of(w, BENCH_TUNNEL_SOURCE, 1);
	apply(w, LB_CMD_IFACE, 0, &iface, 0);
	for (uint32_t i = 0; i < w->shape.n_servers; i++) {
		struct lb_next_hop nh = {.iface = 0, .resolved = 1};
		struct lb_real real = {.addr = addr_of(w, BENCH_SERVERS, i + 1),
				       .in_use = 1,
				       .machine_id = i,
				       .next_hop = i + 1};

		bench_mac_of_server(i, nh.mac);
		apply(w, LB_CMD_NEXT_HOP, i + 1, &nh, 0);
		apply(w, LB_CMD_REAL, i, &real, 0);
		apply(w, LB_CMD_TARGET, i, NULL, LB_TARGET_NEW | LB_TARGET_KEEP);
	}
}

static struct lb_maglev *make_table(const struct bench_world *w,
				    const struct lb_service_server *servers, uint32_t n)
{
	/* As the control plane has them. */
	const struct lb_maglev_home home = {lb_huge_blocks_take, lb_huge_blocks_give_back,
					    w->table_blocks};
	struct lb_maglev_server *rows = calloc(n, sizeof(*rows));
	struct lb_maglev *table;

	if (rows == NULL)
		die("no memory");
	for (uint32_t i = 0; i < n; i++)
		rows[i] = (struct lb_maglev_server){
			addr_of(w, BENCH_SERVERS, servers[i].real_id + 1), 1};
	if (lb_maglev_build_at(&home, rows, n, LB_MAGLEV_SIZE_STATELESS, &table) != 0)
		die("no table");
	free(rows);
	return table;
}

static void add_service(struct bench_world *w, uint32_t slot)
{
	uint32_t per_service = w->shape.n_servers / w->shape.n_services;
	struct lb_service_server *servers = calloc(per_service, sizeof(*servers));
	struct lb_port_range port = {SERVICE_PORT, SERVICE_PORT};
	struct lb_service_params params = {
		.vip = vip_of(w, slot),
		.protocol = IPPROTO_TCP,
		.forwarding = (uint8_t)w->shape.forwarding,
		.scheduler = w->shape.is_stateless ? LB_SCHED_MAGLEV : LB_SCHED_ROUND_ROBIN,
		.is_stateless = w->shape.is_stateless,
		.persist_len = w->shape.is_v6 ? 128 : 32,
		.group_id = w->shape.has_persistence ? 1 : 0,
		.nat_source_id = 1,
		.idle_timeout_ms = 7440000,
		.persist_timeout_ms = 7200000,
		.ports = &port,
		.n_ports = 1,
		.servers = servers,
		.n_servers = per_service,
	};
	struct lb_service *svc;
	struct lb_error err;

	if (servers == NULL)
		die("no memory");
	for (uint32_t i = 0; i < per_service; i++) {
		uint32_t id = slot * per_service + i;

		servers[i] = (struct lb_service_server){
			.real_id = id,
			.machine_id = id,
			.target_id = id,
			.group_target_id = id,
			.weight = 1,
		};
	}
	if (w->shape.is_stateless)
		params.maglev = make_table(w, servers, per_service);
	if (lb_service_build(&params, &svc, &err) != 0)
		die(err.what);
	lb_maglev_unref(params.maglev);
	apply(w, LB_CMD_SERVICE, slot, svc, 0);
	free(servers);
}

/* No two workers have a client in common. */
static void key_of_flow(const struct bench_world *w, uint32_t flow, uint32_t net,
			struct lb_key *key)
{
	uint32_t first = w->lane.worker << (net == BENCH_CLIENTS ? 23 : 24);
	struct lb_addr client = addr_of(w, net, first + flow / PORTS_PER_CLIENT + 1);
	struct lb_addr vip = vip_of(w, flow % w->shape.n_services);
	uint32_t sport = 1024 + flow % PORTS_PER_CLIENT * 1999;
	rte_be32_t ports = rte_cpu_to_be_32(sport << 16 | SERVICE_PORT);

	memset(key, 0, sizeof(*key));
	key->is_v6 = w->shape.is_v6;
	if (key->is_v6) {
		memcpy(key->v6.src_be, &client, sizeof(client));
		memcpy(key->v6.dst_be, &vip, sizeof(vip));
		key->v6.ports_be = ports;
		key->v6.proto = IPPROTO_TCP;
	} else {
		key->v4 = (struct lb_key4){client.word_be[3], vip.word_be[3], ports, IPPROTO_TCP};
	}
}

static uint8_t *buffer_of(const struct bench_world *w, uint32_t i)
{
	return w->pool + (size_t)(i % BENCH_POOL) * BENCH_BUFFER_BYTES;
}

void bench_view(const struct bench_world *w, uint32_t i, struct lb_pkt *p)
{
	p->data = buffer_of(w, i) + BENCH_HEADROOM;
	p->len = bench_frame_bytes(w->shape.is_v6);
	p->headroom = BENCH_HEADROOM;
	p->tailroom = BENCH_BUFFER_BYTES - BENCH_HEADROOM - p->len;
	p->rest = 0;
	p->port = 0;
}

static void run_one(struct bench_world *w, const struct lb_key *key, uint8_t flags,
		    struct lb_pkt *out)
{
	static _Thread_local struct lb_burst b;

	bench_frame_write(buffer_of(w, 0) + BENCH_HEADROOM, key, flags);
	b.n = 1;
	bench_view(w, 0, &b.pkt[0]);
	lb_pipeline_run(w->pl, &b, w->now_ms);
	*out = b.pkt[0];
}

static bool is_one_way(const struct bench_world *w)
{
	return lb_forwarding_is_one_way((uint8_t)w->shape.forwarding);
}

/* The number in the MAC address that a packet to a server leaves with. */
static uint16_t server_of(const struct lb_pkt *p)
{
	return (uint16_t)(p->data[4] << 8 | p->data[5]);
}

static void open_flow(struct bench_world *w, uint32_t i)
{
	struct lb_key leaving;
	struct lb_pkt p;

	key_of_flow(w, i, BENCH_CLIENTS, &w->to_vip[i]);
	run_one(w, &w->to_vip[i], LB_TCP_SYN, &p);
	if (p.verdict != LB_VERDICT_TX || p.is_originated)
		die(p.verdict == LB_VERDICT_DROP ? lb_counter_info[p.drop_reason].name
						 : "a flow was not opened");
	w->server_of[i] = server_of(&p);
	if (!is_one_way(w)) {
		/* What the server answers to is what the pipeline made of the client's packet. */
		bench_frame_key(p.data, w->shape.is_v6, &leaving);
		w->to_client[i] = lb_key_reversed(&leaving);
		run_one(w, &w->to_client[i], LB_TCP_SYN | LB_TCP_ACK, &p);
		if (p.verdict != LB_VERDICT_TX || !p.is_reply)
			die("an answer did not find its connection");
	}
	run_one(w, &w->to_vip[i], LB_TCP_ACK, &p);
	w->n_open++;
}

static void open_flows(struct bench_world *w)
{
	for (uint32_t i = 0; i < w->shape.n_flows; i++)
		open_flow(w, i);
}

/* The look-up alone needs neither servers nor connections. */
static void add_lookup_table(struct bench_world *w)
{
	struct lb_port_range port = {SERVICE_PORT, SERVICE_PORT};
	uint32_t n = 4 * w->shape.n_services;

	if (lb_service_table_init(bench_alloc(lb_service_table_bytes(n)), n, 1, &w->services) != 0)
		die("no service table");
	for (uint32_t i = 0; i < w->shape.n_services; i++) {
		struct lb_addr vip = vip_of(w, i);

		if (lb_service_table_add(w->services, &vip, IPPROTO_TCP, &port, 1, i) != 0)
			die("a service found no place");
	}
	w->wanted = bench_alloc(BENCH_POOL * sizeof(*w->wanted));
	for (uint32_t i = 0; i < BENCH_POOL; i++) {
		uint32_t service = (uint32_t)(bench_random(w) % w->shape.n_services);

		w->wanted[i] = vip_of(w, service);
		w->wanted_sum += service;
	}
}

static void ask_burst(const struct bench_world *w, uint32_t from, struct lb_key *keys)
{
	for (uint32_t i = 0; i < LB_BURST_MAX; i++) {
		const struct lb_addr *vip = &w->wanted[from + i];

		if (w->shape.is_v6)
			memcpy(keys[i].v6.dst_be, vip, sizeof(*vip));
		else
			keys[i].v4.dst_be = lb_addr_v4(vip);
	}
}

/* As the passes do it: what a whole burst asks for is on its way before it is read. */
bool bench_look_up_services(struct bench_world *w)
{
	struct lb_key keys[LB_BURST_MAX];
	struct lb_exact_question asked[LB_BURST_MAX];
	uint64_t sum = 0;

	for (uint32_t i = 0; i < LB_BURST_MAX; i++)
		key_of_flow(w, 0, BENCH_CLIENTS, &keys[i]);
	for (uint32_t from = 0; from < BENCH_POOL; from += LB_BURST_MAX) {
		ask_burst(w, from, keys);
		for (uint32_t i = 0; i < LB_BURST_MAX; i++)
			asked[i] = lb_service_ask(w->services, &keys[i]);
		for (uint32_t i = 0; i < LB_BURST_MAX; i++)
			sum += lb_service_find_asked(w->services, &keys[i], &asked[i]);
	}
	return sum == w->wanted_sum;
}

void bench_let_expire(struct bench_world *w)
{
	w->now_ms += EXPIRE_MS;
	for (uint32_t i = 0; i <= 4 * w->shape.n_connections / AGE_BUCKETS; i++)
		lb_pipeline_age(w->pl, w->now_ms);
}

double bench_bytes_per_conn(const struct bench_world *w)
{
	uint32_t n_entries = lb_conn_n_entries((uint8_t)w->shape.forwarding);

	return w->n_open == 0 ? 0
			      : (double)w->table_bytes * n_entries / (2 * w->shape.n_connections);
}

/* The memory is in place before the clock starts. */
static void *alloc_in_place(size_t bytes)
{
	uint8_t *mem = bench_alloc(bytes);

	memset(mem, 0, bytes);
	return mem;
}

struct lb_persist_table *bench_records_create(const struct bench_shape *shape, uint32_t n_workers)
{
	uint32_t n = shape->has_persistence ? 2 * shape->n_connections * n_workers : 1024;
	struct lb_persist_table *records;

	if (lb_persist_init(alloc_in_place(lb_persist_bytes(n)), n, SEED, &records) != 0)
		die("no persistence table");
	return records;
}

static void make_pipeline(struct bench_world *w)
{
	/* Every packet is its worker's own, as where the card's hash finds the owner. */
	struct lb_pipeline_params params = {
		.n_workers = 1,
		.n_connections = w->shape.n_connections,
		.seed = SEED,
		.persist = w->lane.records,
	};
	uint32_t n_entries = w->shape.n_connections / 2 * 5;

	w->pipeline_bytes = lb_pipeline_bytes(&params);
	w->table_bytes = w->shape.is_v6 ? lb_conn_table_bytes(0, n_entries)
					: lb_conn_table_bytes(n_entries, 0);
	if (lb_pipeline_init(alloc_in_place(w->pipeline_bytes), &params, &w->pl) != 0)
		die("the pipeline was not made");
}

void bench_fill_known(struct bench_world *w, bool is_reply, uint32_t *flows)
{
	for (uint32_t i = 0; i < BENCH_POOL; i++) {
		uint32_t flow = (uint32_t)(bench_random(w) % w->shape.n_flows);

		bench_frame_write(buffer_of(w, i) + BENCH_HEADROOM,
				  is_reply ? &w->to_client[flow] : &w->to_vip[flow], LB_TCP_ACK);
		if (flows != NULL)
			flows[i] = flow;
	}
}

void bench_fill_new(struct bench_world *w, uint32_t *flows)
{
	for (uint32_t i = 0; i < BENCH_POOL; i++) {
		uint32_t flow = (uint32_t)(bench_random(w) % NEWCOMERS);
		struct lb_key key;

		key_of_flow(w, flow, BENCH_NEWCOMERS, &key);
		bench_frame_write(buffer_of(w, i) + BENCH_HEADROOM, &key, LB_TCP_SYN);
		if (flows != NULL)
			flows[i] = flow;
	}
}

/* Handshakes until each new one ends the oldest. */
static void crowd(struct bench_world *w)
{
	static _Thread_local struct lb_burst b;

	while (lb_pipeline_counter(w->pl, LB_COUNT_conn_evicted_embryonic) == 0) {
		bench_fill_new(w, NULL);
		for (uint32_t i = 0; i < BENCH_POOL; i += LB_BURST_MAX) {
			b.n = LB_BURST_MAX;
			for (uint32_t j = 0; j < LB_BURST_MAX; j++)
				bench_view(w, i + j, &b.pkt[j]);
			lb_pipeline_run(w->pl, &b, w->now_ms);
			w->now_ms += BENCH_FULL_MS_PER_BURST;
		}
	}
}

static void expect_known(const struct bench_world *w, uint32_t flow, struct lb_key *key,
			 struct bench_expected *e)
{
	e->server_first = w->server_of[flow];
	e->n_servers = 1;
	if (is_one_way(w))
		*key = w->to_vip[flow];
	else
		*key = lb_key_reversed(e->is_reply ? &w->to_vip[flow] : &w->to_client[flow]);
}

static void expect_new(const struct bench_world *w, uint32_t flow, struct lb_key *key,
		       struct bench_expected *e)
{
	e->n_servers = w->shape.n_servers / w->shape.n_services;
	e->server_first = flow % w->shape.n_services * e->n_servers;
	e->is_any_source = w->shape.forwarding == LB_FORWARD_FULLNAT;
	key_of_flow(w, flow, BENCH_NEWCOMERS, key);
}

void bench_seal(struct bench_world *w)
{
	for (uint32_t i = 0; i < BENCH_POOL; i++)
		bench_frame_seal(buffer_of(w, i) + BENCH_HEADROOM, w->shape.is_v6);
}

const char *bench_judge(const struct bench_world *w, const struct bench_sent *sent,
			enum bench_work work)
{
	for (uint32_t i = 0; i < BENCH_POOL; i++) {
		struct lb_key key;
		struct bench_expected e = {
			.key = &key,
			.forwarding = w->shape.forwarding,
			.is_reply = work == BENCH_REPLY,
		};
		const char *wrong;

		if (work == BENCH_NEW)
			expect_new(w, sent->flow[i], &key, &e);
		else
			expect_known(w, sent->flow[i], &key, &e);
		wrong = bench_frame_judge(buffer_of(w, i) + sent->offset[i], sent->len[i], &e);
		if (wrong != NULL)
			return wrong;
	}
	return NULL;
}

struct bench_world *bench_world_create(const struct bench_shape *shape,
				       const struct bench_lane *lane)
{
	struct bench_world *w = calloc(1, sizeof(*w));

	if (w == NULL)
		die("no memory");
	w->shape = *shape;
	w->lane = *lane;
	w->random = 1 + lane->worker;
	w->now_ms = 10000;
	w->pool = alloc_in_place((size_t)BENCH_POOL * BENCH_BUFFER_BYTES);
	if (shape->is_lookup) {
		w->table_bytes = lb_service_table_bytes(4 * shape->n_services);
		add_lookup_table(w);
		return w;
	}
	make_pipeline(w);
	w->table_blocks = lb_huge_blocks_create();
	if (w->table_blocks == NULL)
		die("no memory");
	w->server_of = bench_alloc(((size_t)shape->n_flows + 1) * sizeof(*w->server_of));
	w->to_vip = bench_alloc(((size_t)shape->n_flows + 1) * sizeof(*w->to_vip));
	w->to_client = bench_alloc(((size_t)shape->n_flows + 1) * sizeof(*w->to_client));
	add_nat_source(w);
	add_servers(w);
	for (uint32_t i = 0; i < shape->n_services; i++)
		add_service(w, i);
	open_flows(w);
	if (shape->is_full)
		crowd(w);
	return w;
}
