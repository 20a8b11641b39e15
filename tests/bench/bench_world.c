#include "bench_world.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "frame.h"
#include "steer/conn.h"
#include "steer/service_find.h"

#define FIRST_CLIENT 0x0a000000u /* 10.0.0.0 */
#define PORTS_PER_CLIENT 32u
#define SERVICE_PORT 443u
#define EXPIRE_MS 300000u /* more than a handshake may take */
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

static struct lb_addr addr_of(const struct bench_world *w, uint32_t net, uint32_t host)
{
	if (w->shape.is_v6)
		return (struct lb_addr){
			{RTE_BE32(0x20010db8), rte_cpu_to_be_32(net), 0, rte_cpu_to_be_32(host)}};
	return lb_addr_from_v4(rte_cpu_to_be_32(net + host));
}

static struct lb_addr vip_of(const struct bench_world *w, uint32_t service)
{
	return addr_of(w, 0xc0a80000u, service + 1); /* 192.168.0.0/16 */
}

static void apply(struct bench_world *w, enum lb_cmd_type type, uint32_t idx, const void *object,
		  uint64_t value)
{
	struct lb_cmd cmd = {type, idx, object, value};

	lb_pipeline_apply(w->pl, &cmd);
}

/* Source addresses for fullnat: 16 x 50 000 ports towards each of the servers. */
static void add_nat_source(struct bench_world *w)
{
	struct lb_nat_source *src = calloc(1, sizeof(*src));

	if (src == NULL)
		die("no memory");
	src->first_port = 10000;
	src->last_port = 59999;
	for (uint16_t i = 0; i < 16; i++) {
		struct lb_nat_addr a = {addr_of(w, 0xac100000u, i + 1u), (uint16_t)(i + 1)};

		if (w->shape.is_v6)
			src->v6[src->n_v6++] = a;
		else
			src->v4[src->n_v4++] = a;
	}
	apply(w, LB_CMD_NAT_SOURCE, 1, src, 0);
}

static void add_servers(struct bench_world *w)
{
	struct lb_iface iface = {.mac = {2, 0, 0, 0, 0, 0xfe}, .mtu = 1500};

	iface.tunnel_source[w->shape.is_v6 ? 1 : 0] = addr_of(w, 0xac300000u, 1);
	apply(w, LB_CMD_IFACE, 0, &iface, 0);
	for (uint32_t i = 0; i < w->shape.n_servers; i++) {
		struct lb_next_hop nh = {{2, 0, 1, 0, (uint8_t)(i >> 8), (uint8_t)i}, 0, 1};
		struct lb_real real = {.addr = addr_of(w, 0xac200000u, i + 1),
				       .in_use = 1,
				       .machine_id = i,
				       .next_hop = i + 1};

		apply(w, LB_CMD_NEXT_HOP, i + 1, &nh, 0);
		apply(w, LB_CMD_REAL, i, &real, 0);
		apply(w, LB_CMD_TARGET, i, NULL, LB_TARGET_NEW | LB_TARGET_KEEP);
	}
}

static struct lb_maglev *make_table(const struct bench_world *w,
				    const struct lb_service_server *servers, uint32_t n)
{
	struct lb_maglev_server *rows = calloc(n, sizeof(*rows));
	struct lb_maglev *table;

	if (rows == NULL)
		die("no memory");
	for (uint32_t i = 0; i < n; i++)
		rows[i] = (struct lb_maglev_server){addr_of(w, 0xac200000u, servers[i].real_id + 1),
						    1};
	if (lb_maglev_build(rows, n, LB_MAGLEV_SIZE_STATELESS, &table) != 0)
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

static void key_of_flow(const struct bench_world *w, uint32_t flow, uint32_t net,
			struct lb_key *key)
{
	struct lb_addr client = addr_of(w, net, flow / PORTS_PER_CLIENT + 1);
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

/* Ethernet, IP and TCP headers of 64 bytes (IPv6: 78) and no payload. */
static void write_packet(uint8_t *buffer, const struct lb_key *key, uint8_t flags)
{
	static const uint8_t macs[12] = {2, 0, 0, 0, 0, 0xfe, 2, 0, 0, 0, 0, 1};
	uint8_t *data = buffer + BENCH_HEADROOM, *ip = data + 14;
	uint8_t *tcp = ip + (key->is_v6 ? 40 : 20);
	uint16_t sum;

	memset(data, 0, 80);
	memcpy(data, macs, sizeof(macs));
	if (key->is_v6) {
		memcpy(data + 12, "\x86\xdd\x60\x00\x00\x00\x00\x14\x06\x40", 10);
		memcpy(ip + 8, &key->v6, 32);
		memcpy(tcp, &key->v6.ports_be, 4);
	} else {
		memcpy(data + 12, "\x08\x00\x45\x00\x00\x28\x00\x00\x40\x00\x40\x06", 12);
		memcpy(ip + 12, &key->v4, 8);
		sum = (uint16_t)~frame_sum(ip, 20, 0);
		ip[10] = (uint8_t)(sum >> 8);
		ip[11] = (uint8_t)sum;
		memcpy(tcp, &key->v4.ports_be, 4);
	}
	tcp[12] = 5 << 4;
	tcp[13] = flags;
}

static uint8_t *buffer_of(const struct bench_world *w, uint32_t i)
{
	return w->pool + (size_t)(i % BENCH_POOL) * BENCH_BUFFER_BYTES;
}

void bench_view(const struct bench_world *w, uint32_t i, struct lb_pkt *p)
{
	p->data = buffer_of(w, i) + BENCH_HEADROOM;
	p->len = w->shape.is_v6 ? 74 : 60;
	p->headroom = BENCH_HEADROOM;
	p->tailroom = BENCH_BUFFER_BYTES - BENCH_HEADROOM - p->len;
	p->rest = 0;
	p->port = 0;
}

static void run_one(struct bench_world *w, const struct lb_key *key, uint8_t flags,
		    struct lb_pkt *out)
{
	static _Thread_local struct lb_burst b;

	write_packet(buffer_of(w, 0), key, flags);
	b.n = 1;
	bench_view(w, 0, &b.pkt[0]);
	lb_pipeline_run(w->pl, &b, w->now_ms);
	*out = b.pkt[0];
}

/* What the server answers to is what the pipeline made of the client's packet. */
static void read_answer_key(const struct bench_world *w, const struct lb_pkt *p, struct lb_key *key)
{
	const uint8_t *ip = p->data + 14, *tcp = ip + (w->shape.is_v6 ? 40 : 20);

	memset(key, 0, sizeof(*key));
	key->is_v6 = w->shape.is_v6;
	if (key->is_v6) {
		memcpy(key->v6.src_be, ip + 24, 16);
		memcpy(key->v6.dst_be, ip + 8, 16);
		memcpy(&key->v6.ports_be, tcp, 4);
		key->v6.ports_be = key->v6.ports_be >> 16 | key->v6.ports_be << 16;
		key->v6.proto = IPPROTO_TCP;
	} else {
		memcpy(&key->v4.src_be, ip + 16, 4);
		memcpy(&key->v4.dst_be, ip + 12, 4);
		memcpy(&key->v4.ports_be, tcp, 4);
		key->v4.ports_be = key->v4.ports_be >> 16 | key->v4.ports_be << 16;
		key->v4.proto = IPPROTO_TCP;
	}
}

static void open_flow(struct bench_world *w, uint32_t i)
{
	struct lb_pkt p;

	key_of_flow(w, i, FIRST_CLIENT, &w->to_vip[i]);
	run_one(w, &w->to_vip[i], 0x02, &p);
	if (p.verdict != LB_VERDICT_TX || p.is_originated)
		die(p.verdict == LB_VERDICT_DROP ? lb_counter_info[p.drop_reason].name
						 : "a flow was not opened");
	if (!lb_forwarding_is_one_way((uint8_t)w->shape.forwarding)) {
		read_answer_key(w, &p, &w->to_client[i]);
		run_one(w, &w->to_client[i], 0x12, &p);
		if (p.verdict != LB_VERDICT_TX || !p.is_reply)
			die("an answer did not find its connection");
	}
	run_one(w, &w->to_vip[i], 0x10, &p);
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
	for (uint32_t i = 0; i < BENCH_POOL; i++)
		w->wanted[i] = vip_of(w, (uint32_t)(bench_random(w) % w->shape.n_services));
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
uint32_t bench_look_up_services(struct bench_world *w)
{
	struct lb_key keys[LB_BURST_MAX];
	struct lb_exact_question asked[LB_BURST_MAX];
	uint32_t n = 0;

	for (uint32_t i = 0; i < LB_BURST_MAX; i++)
		key_of_flow(w, 0, FIRST_CLIENT, &keys[i]);
	for (uint32_t from = 0; from < BENCH_POOL; from += LB_BURST_MAX) {
		ask_burst(w, from, keys);
		for (uint32_t i = 0; i < LB_BURST_MAX; i++)
			asked[i] = lb_service_ask(w->services, &keys[i]);
		for (uint32_t i = 0; i < LB_BURST_MAX; i++)
			n += lb_service_find_asked(w->services, &keys[i], &asked[i]) !=
			     LB_SERVICE_NOT_FOUND;
	}
	return n;
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

static void make_pipeline(struct bench_world *w)
{
	struct lb_pipeline_params params = {
		.n_workers = 1, .n_connections = w->shape.n_connections, .seed = 20260101};
	uint32_t records = w->shape.has_persistence ? 2 * w->shape.n_connections : 1024;
	uint32_t n_entries = w->shape.n_connections / 2 * 5;

	if (lb_persist_init(alloc_in_place(lb_persist_bytes(records)), records, params.seed,
			    &params.persist) != 0)
		die("no persistence table");
	w->pipeline_bytes = lb_pipeline_bytes(&params);
	w->table_bytes = w->shape.is_v6 ? lb_conn_table_bytes(0, n_entries)
					: lb_conn_table_bytes(n_entries, 0);
	if (lb_pipeline_init(alloc_in_place(w->pipeline_bytes), &params, &w->pl) != 0)
		die("the pipeline was not made");
}

struct bench_world *bench_world_create(const struct bench_shape *shape)
{
	struct bench_world *w = calloc(1, sizeof(*w));

	if (w == NULL)
		die("no memory");
	w->shape = *shape;
	w->random = 1;
	w->now_ms = 10000;
	w->pool = alloc_in_place((size_t)BENCH_POOL * BENCH_BUFFER_BYTES);
	if (shape->is_lookup) {
		w->table_bytes = lb_service_table_bytes(4 * shape->n_services);
		add_lookup_table(w);
		return w;
	}
	make_pipeline(w);
	w->to_vip = bench_alloc(((size_t)shape->n_flows + 1) * sizeof(*w->to_vip));
	w->to_client = bench_alloc(((size_t)shape->n_flows + 1) * sizeof(*w->to_client));
	add_nat_source(w);
	add_servers(w);
	for (uint32_t i = 0; i < shape->n_services; i++)
		add_service(w, i);
	open_flows(w);
	return w;
}

void bench_fill_known(struct bench_world *w, bool is_reply)
{
	for (uint32_t i = 0; i < BENCH_POOL; i++) {
		uint32_t flow = (uint32_t)(bench_random(w) % w->shape.n_flows);

		write_packet(buffer_of(w, i), is_reply ? &w->to_client[flow] : &w->to_vip[flow],
			     0x10);
	}
}

void bench_fill_new(struct bench_world *w)
{
	for (uint32_t i = 0; i < BENCH_POOL; i++) {
		struct lb_key key;

		key_of_flow(w, (uint32_t)(bench_random(w) % 400000000u), 0x20000000u, &key);
		write_packet(buffer_of(w, i), &key, 0x02);
	}
}
