#include "bench_rows.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "steer/conn.h"

#define K 1000u
#define M 1000000u

/* The kinds of packets of open connections. */
static const struct {
	const char *name;
	enum lb_forwarding forwarding;
	enum bench_work work;
	bool is_stateless;
} kinds[] = {
	{"dsr", LB_FORWARD_DSR, BENCH_IN, false},
	{"ipip", LB_FORWARD_IPIP, BENCH_IN, false},
	{"gue", LB_FORWARD_GUE, BENCH_IN, false},
	{"nat in", LB_FORWARD_NAT, BENCH_IN, false},
	{"nat reply", LB_FORWARD_NAT, BENCH_REPLY, false},
	{"fullnat in", LB_FORWARD_FULLNAT, BENCH_IN, false},
	{"fullnat reply", LB_FORWARD_FULLNAT, BENCH_REPLY, false},
	{"stateless dsr", LB_FORWARD_DSR, BENCH_IN, true},
	{"stateless ipip", LB_FORWARD_IPIP, BENCH_IN, true},
};

static const struct {
	const char *name;
	uint32_t n;
} flows[] = {{"1 flow", 1},
	     {"1 k flows", K},
	     {"64 k flows", 64 * K},
	     {"1 M flows", M},
	     {"10 M flows", 10 * M}};

static const struct {
	const char *name;
	uint32_t n_services;
	uint32_t n_servers;
} farms[] = {{"1/100", 1, 100}, {"256/1000", 256, 1024}};

struct list {
	struct bench_row *rows;
	uint32_t n;
};

static struct bench_row *add(struct list *l, const char *kind, bool is_v6, const char *what,
			     const char *farm)
{
	struct bench_row *row = &l->rows[l->n++];

	assert(l->n <= BENCH_ROWS_MAX);
	*row = (struct bench_row){.n_workers = 1};
	snprintf(row->name, sizeof(row->name), "%s, %s, %s, %s", kind, is_v6 ? "IPv6" : "IPv4",
		 what, farm);
	row->shape.is_v6 = is_v6;
	return row;
}

/* The capacity to state for so many connections: NAT ones, or twice as many of the others. */
static uint32_t stated_for(enum lb_forwarding forwarding, uint32_t n)
{
	return n * lb_conn_n_entries((uint8_t)forwarding) / 2;
}

/* Connections are four fifths of the capacity, as full as a table should be. */
static void add_known(struct list *l, uint32_t kind, bool is_v6, uint32_t flow, uint32_t farm)
{
	struct bench_row *row = add(l, kinds[kind].name, is_v6, flows[flow].name, farms[farm].name);
	uint32_t n = flows[flow].n;

	row->work = kinds[kind].work;
	row->shape.forwarding = kinds[kind].forwarding;
	row->shape.is_stateless = kinds[kind].is_stateless;
	row->shape.n_services = farms[farm].n_services;
	row->shape.n_servers = farms[farm].n_servers;
	row->shape.n_flows = n;
	row->shape.n_connections = stated_for(row->shape.forwarding,
					      n < 64 * K ? 80 * K : n / 4 * 5);
	row->is_quick = (n == 1 && farm == 0) || (n == M && farm == 1 && !is_v6);
}

static const struct {
	const char *name;
	enum lb_forwarding forwarding;
	bool persists;
} openings[] = {
	{"dsr new", LB_FORWARD_DSR, false},
	{"dsr new, persistence", LB_FORWARD_DSR, true},
	{"fullnat new", LB_FORWARD_FULLNAT, false},
	{"fullnat new, persistence", LB_FORWARD_FULLNAT, true},
};

#define N_OPENINGS (sizeof(openings) / sizeof(openings[0]))
#define FULL 100u

/* The table is `percent` full of established connections, and stays so: what a run has opened
 * expires before the next. A full one has four fifths of them, and in the rest of its room
 * handshakes that are older than a second: each new connection ends the oldest of these. */
static struct bench_row *add_new(struct list *l, uint32_t opening, bool is_v6, uint32_t percent)
{
	char what[32];
	struct bench_row *row;

	snprintf(what, sizeof(what), "table %u %% full", percent);
	row = add(l, openings[opening].name, is_v6, percent == FULL ? "table full" : what,
		  "256/1000");
	row->work = BENCH_NEW;
	row->shape.forwarding = openings[opening].forwarding;
	row->shape.n_services = 256;
	row->shape.n_servers = 1024;
	row->shape.n_connections = stated_for(row->shape.forwarding, M);
	row->shape.n_flows = M / 100 * (percent == FULL ? 80 : percent);
	row->shape.is_full = percent == FULL;
	row->shape.has_persistence = openings[opening].persists;
	row->is_quick = !is_v6 && (percent == 80 || (percent == FULL && opening == 0));
	return row;
}

static void add_lookup(struct list *l, bool is_v6, uint32_t n_services, uint32_t n_servers,
		       const char *farm)
{
	struct bench_row *row = add(l, "service look-up", is_v6, "random services", farm);

	row->work = BENCH_LOOKUP;
	row->shape.n_services = n_services;
	row->shape.n_servers = n_servers;
	row->shape.n_connections = K;
	row->shape.is_lookup = true;
	row->is_quick = !is_v6;
}

static void name_pair(struct bench_row *row)
{
	char name[sizeof(row->name) - 16];

	memcpy(name, row->name, sizeof(name));
	name[sizeof(name) - 1] = '\0';
	snprintf(row->name, sizeof(row->name), "two workers: %s", name);
	row->n_workers = 2;
}

/* Each worker has half of the flows and half of the table. */
static void add_pair(struct list *l, uint32_t kind)
{
	struct bench_row *row;

	add_known(l, kind, false, 3, 1);
	row = &l->rows[l->n - 1];
	name_pair(row);
	row->shape.n_flows = M / 2;
	row->shape.n_connections = stated_for(row->shape.forwarding, M / 8 * 5);
}

/* The same for new connections; records are common to both. */
static void add_new_pair(struct list *l, uint32_t opening)
{
	struct bench_row *row = add_new(l, opening, false, 80);

	name_pair(row);
	row->shape.n_flows /= 2;
	row->shape.n_connections /= 2;
}

uint32_t bench_rows(struct bench_row rows[BENCH_ROWS_MAX])
{
	static const uint32_t fills[] = {50, 80, FULL};
	struct list l = {rows, 0};

	for (uint32_t v6 = 0; v6 < 2; v6++)
		for (uint32_t kind = 0; kind < sizeof(kinds) / sizeof(kinds[0]); kind++)
			for (uint32_t flow = 0; flow < sizeof(flows) / sizeof(flows[0]); flow++)
				for (uint32_t farm = 0; farm < 2; farm++)
					add_known(&l, kind, v6 != 0, flow, farm);
	for (uint32_t i = 0; i < sizeof(fills) / sizeof(fills[0]); i++)
		for (uint32_t opening = 0; opening < N_OPENINGS; opening++)
			add_new(&l, opening, false, fills[i]);
	for (uint32_t opening = 0; opening < N_OPENINGS; opening++)
		add_new(&l, opening, true, 80);
	for (uint32_t v6 = 0; v6 < 2; v6++) {
		add_lookup(&l, v6 != 0, 1, 16, "1/16");
		add_lookup(&l, v6 != 0, 65536, 1048576, "65536/1048576");
	}
	add_pair(&l, 0);
	add_pair(&l, 3);
	add_pair(&l, 6);
	for (uint32_t opening = 0; opening < N_OPENINGS; opening++)
		add_new_pair(&l, opening);
	return l.n;
}
