#include "bench_bare.h"

#include <netinet/in.h>
#include <nmmintrin.h>
#include <stdlib.h>
#include <string.h>

#include <rte_branch_prediction.h>
#include <rte_prefetch.h>

#define LINE_BYTES 64u
#define LINES_AHEAD 8u
#define ETH_BYTES 14u
#define MACS_BYTES 12u

/* Key words as they stand in the packet: 3 of IPv4, 9 of IPv6. */
struct entry {
	uint32_t proto_server; /* 8 and 16 bits; 0: free */
	uint32_t key[];
};

struct server {
	uint8_t macs[MACS_BYTES]; /* the server's and ours, as they leave */
	uint32_t unused;
	uint64_t n_pkts;
	uint64_t n_bytes;
};

struct bench_bare {
	uint8_t *lines;
	uint32_t n_lines;
	bool is_v6;
	struct server *servers;
};

struct parsed {
	uint8_t *data;
	uint8_t *line;
	uint32_t len;
	uint32_t proto;
	uint64_t addrs[4]; /* IPv4: 1 */
	uint32_t ports;
};

static inline uint32_t load32(const void *at)
{
	uint32_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

static inline uint64_t load64(const void *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

static inline uint8_t *line_of(const struct bench_bare *b, const struct parsed *p, bool is_v6)
{
	uint64_t hash = _mm_crc32_u64(0, p->addrs[0]);

	for (uint32_t i = 1; is_v6 && i < 4; i++)
		hash = _mm_crc32_u64(hash, p->addrs[i]);
	hash = _mm_crc32_u64(hash, (uint64_t)p->proto << 32 | p->ports);
	/* A CRC alone keeps regular keys regular. */
	hash = (uint32_t)hash * 0x9e3779b1u;
	return b->lines + ((hash & UINT32_MAX) * b->n_lines >> 32) * LINE_BYTES;
}

/* Whole TCP and UDP packets without options or extension headers; others: false. */
static inline bool parse(struct parsed *p, bool is_v6)
{
	const uint8_t *ip = p->data + ETH_BYTES;
	uint32_t l4_off = ETH_BYTES + (is_v6 ? 40 : 20);

	if (p->len < l4_off + 8)
		return false;
	if (is_v6) {
		if (p->data[12] != 0x86 || p->data[13] != 0xdd || ip[0] >> 4 != 6)
			return false;
		p->proto = ip[6];
		for (uint32_t i = 0; i < 4; i++)
			p->addrs[i] = load64(ip + 8 + 8 * i);
	} else {
		if (p->data[12] != 0x08 || p->data[13] != 0 || ip[0] != 0x45 ||
		    (load32(ip + 4) & RTE_BE32(0x3fff)) != 0)
			return false;
		p->proto = ip[9];
		p->addrs[0] = load64(ip + 12);
	}
	p->ports = load32(p->data + l4_off);
	return p->proto == IPPROTO_TCP || p->proto == IPPROTO_UDP;
}

static inline bool is_same4(const struct entry *e, const struct parsed *p)
{
	return load64(e->key) == p->addrs[0] && e->key[2] == p->ports &&
	       e->proto_server >> 24 == p->proto;
}

static inline bool is_same6(const struct entry *e, const struct parsed *p)
{
	uint64_t differ = 0;

	for (uint32_t i = 0; i < 4; i++)
		differ |= load64(e->key + 2 * i) ^ p->addrs[i];
	return differ == 0 && e->key[8] == p->ports && e->proto_server >> 24 == p->proto;
}

/* The entry, or the free one where it would be. */
static inline struct entry *find(const struct bench_bare *b, const struct parsed *p, bool is_v6)
{
	const uint8_t *end = b->lines + (size_t)b->n_lines * LINE_BYTES;
	uint8_t *at = p->line;

	for (;;) {
		struct entry *e = (struct entry *)at;

		if (likely(is_v6 ? is_same6(e, p) : is_same4(e, p)) || e->proto_server == 0)
			return e;
		at += is_v6 ? LINE_BYTES : LINE_BYTES / 4;
		if (unlikely(at == end))
			at = b->lines;
	}
}

static void insert(struct bench_bare *b, const struct lb_key *key, uint32_t server)
{
	struct parsed p = {.proto = IPPROTO_TCP};
	struct entry *e;

	memcpy(p.addrs, b->is_v6 ? (const void *)&key->v6 : &key->v4, b->is_v6 ? 32 : 8);
	p.ports = b->is_v6 ? key->v6.ports_be : key->v4.ports_be;
	p.line = line_of(b, &p, b->is_v6);
	e = find(b, &p, b->is_v6);
	e->proto_server = p.proto << 24 | server;
	memcpy(e->key, p.addrs, b->is_v6 ? 32 : 8);
	e->key[b->is_v6 ? 8 : 2] = p.ports;
}

struct bench_bare *bench_bare_create(const struct bench_world *w, bool is_reply)
{
	struct bench_bare *b = calloc(1, sizeof(*b));
	uint32_t n = w->shape.n_flows;

	if (b == NULL)
		abort();
	b->is_v6 = w->shape.is_v6;
	b->n_lines = b->is_v6 ? 4 * n : n;
	b->lines = bench_alloc((size_t)b->n_lines * LINE_BYTES);
	b->servers = bench_alloc(w->shape.n_servers * sizeof(*b->servers));
	for (uint32_t i = 0; i < w->shape.n_servers; i++)
		memcpy(b->servers[i].macs,
		       (uint8_t[]){2, 0, 1, 0, (uint8_t)(i >> 8), (uint8_t)i, 2, 0, 0, 0, 0, 0xfe},
		       MACS_BYTES);
	for (uint32_t i = 0; i < n; i++)
		insert(b, is_reply ? &w->to_client[i] : &w->to_vip[i], i % w->shape.n_servers);
	return b;
}

/* One burst, all of one length; returns how many left. */
static inline uint32_t run_burst(struct bench_bare *b, uint8_t *const *pkts, uint32_t len,
				 bool is_v6)
{
	struct parsed parsed[LB_BURST_MAX];
	uint32_t n = 0, n_found = 0;

	for (uint32_t i = 0; i < LINES_AHEAD; i++)
		rte_prefetch0(pkts[i]);
	for (uint32_t i = 0; i < LB_BURST_MAX; i++) {
		struct parsed *p = &parsed[n];

		if (i + LINES_AHEAD < LB_BURST_MAX)
			rte_prefetch0(pkts[i + LINES_AHEAD]);
		p->data = pkts[i];
		p->len = len;
		if (unlikely(!parse(p, is_v6)))
			continue;
		p->line = line_of(b, p, is_v6);
		rte_prefetch0(p->line);
		n++;
	}
	for (uint32_t i = 0; i < n; i++) {
		const struct entry *e = find(b, &parsed[i], is_v6);
		struct server *server = &b->servers[e->proto_server & 0xffff];

		if (unlikely(e->proto_server == 0))
			continue;
		memcpy(parsed[i].data, server->macs, MACS_BYTES);
		server->n_pkts++;
		server->n_bytes += parsed[i].len;
		n_found++;
	}
	return n_found;
}

uint32_t bench_bare_run(struct bench_bare *b, const struct bench_world *w)
{
	uint8_t *data[LB_BURST_MAX];
	struct lb_pkt any;
	uint32_t n = 0;

	bench_view(w, 0, &any);

	for (uint32_t i = 0; i < BENCH_POOL; i += LB_BURST_MAX) {
		for (uint32_t j = 0; j < LB_BURST_MAX; j++)
			data[j] = any.data + (size_t)(i + j) * BENCH_BUFFER_BYTES;
		n += b->is_v6 ? run_burst(b, data, any.len, true)
			      : run_burst(b, data, any.len, false);
	}
	return n;
}
