#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "steer/service_find.h"

#define SERVICES 64
#define VIPS 3
#define ENTRIES 2000

/* The obviously right twin: a list of services that is walked for each question. */
struct twin {
	bool is_used;
	struct lb_addr vip;
	uint8_t proto;
	struct lb_port_range ports[4];
	size_t n_ports;
};

static struct lb_service_table *make_table(uint32_t n_entries)
{
	struct lb_service_table *t;
	void *mem = aligned_alloc(64, lb_service_table_bytes(n_entries));

	memset(mem, 0, lb_service_table_bytes(n_entries));
	cr_assert_eq(lb_service_table_init(mem, n_entries, 42, &t), 0);
	return t;
}

static struct lb_addr vip_of(int i)
{
	static const char *const text[VIPS] = {"192.0.2.10", "2001:db8::10", "192.0.2.11"};
	struct lb_addr a;

	cr_assert_eq(lb_addr_parse(text[i], &a), 0);
	return a;
}

/* How specific the twin's match is: 3 port, 2 range, 1 all ports. */
static int match_of(const struct twin *s, const struct lb_addr *vip, uint8_t proto, uint16_t port)
{
	int best = 0;

	if (!s->is_used || s->proto != proto || !lb_addr_equal(&s->vip, vip))
		return 0;
	for (size_t i = 0; i < s->n_ports; i++) {
		const struct lb_port_range *r = &s->ports[i];
		int match = r->first == r->last ? 3 : r->first == 0 && r->last == 65535 ? 1 : 2;

		if (port >= r->first && port <= r->last && match > best)
			best = match;
	}
	return best;
}

static uint32_t twin_lookup(const struct twin *all, const struct lb_addr *vip, uint8_t proto,
			    uint16_t port)
{
	uint32_t found = LB_SERVICE_NOT_FOUND;
	int best = 0;

	for (uint32_t i = 0; i < SERVICES; i++) {
		int match = match_of(&all[i], vip, proto, port);

		if (match > best) {
			best = match;
			found = i;
		}
	}
	return found;
}

/* Same kind and overlapping: what the configuration check refuses. */
static bool clashes(const struct twin *all, const struct twin *s)
{
	for (uint32_t i = 0; i < SERVICES; i++)
		for (size_t a = 0; all[i].is_used && a < all[i].n_ports; a++)
			for (size_t b = 0; b < s->n_ports; b++) {
				const struct lb_port_range *x = &all[i].ports[a], *y = &s->ports[b];
				bool x_all = x->first == 0 && x->last == 65535;
				bool y_all = y->first == 0 && y->last == 65535;

				if (all[i].proto == s->proto &&
				    lb_addr_equal(&all[i].vip, &s->vip) &&
				    (x->first == x->last) == (y->first == y->last) &&
				    x_all == y_all && x->first <= y->last && y->first <= x->last)
					return true;
			}
	return false;
}

static void make_random(struct twin *s)
{
	s->is_used = true;
	s->vip = vip_of(rand() % VIPS);
	s->proto = rand() % 2 ? IPPROTO_TCP : IPPROTO_UDP;
	s->n_ports = 1 + (size_t)(rand() % 2);
	for (size_t i = 0; i < s->n_ports; i++) {
		uint16_t first = (uint16_t)(rand() % 65536);
		uint32_t last = first + (uint32_t)(rand() % 3000);

		if (rand() % 2)
			last = first;
		if (rand() % 20 == 0) {
			first = 0;
			last = 65535;
		}
		s->ports[i] = (struct lb_port_range){first,
						     (uint16_t)(last > 65535 ? 65535 : last)};
	}
	if (s->n_ports == 2 && s->ports[0].last >= s->ports[1].first &&
	    s->ports[1].last >= s->ports[0].first)
		s->n_ports = 1;
}

static void compare(const struct lb_service_table *t, const struct twin *all)
{
	for (int i = 0; i < 400; i++) {
		struct lb_addr vip = vip_of(rand() % VIPS);
		uint8_t proto = rand() % 2 ? IPPROTO_TCP : IPPROTO_UDP;
		const struct twin *s = &all[rand() % SERVICES];
		int port = rand() % 65536;

		/* Edges of ranges are where mistakes are. */
		if (s->is_used && rand() % 2) {
			const struct lb_port_range *r = &s->ports[0];

			vip = s->vip;
			proto = s->proto;
			port = (rand() % 2 ? r->first : r->last) + rand() % 3 - 1;
		}
		if (port < 0 || port > 65535)
			continue;
		cr_expect_eq(
			lb_service_table_lookup(t, &vip, proto, rte_cpu_to_be_16((uint16_t)port)),
			twin_lookup(all, &vip, proto, (uint16_t)port), "port %d", port);
	}
}

Test(service_table, agrees_with_a_list_under_random_changes)
{
	static struct twin all[SERVICES];
	struct lb_service_table *t = make_table(ENTRIES * 4);
	unsigned int seed = (unsigned int)(uintptr_t)t ^ 77u;

	srand(seed);
	cr_log_info("seed %u", seed);
	for (int step = 0; step < 600; step++) {
		uint32_t slot = (uint32_t)(rand() % SERVICES);
		struct twin *s = &all[slot], next;

		if (s->is_used) {
			lb_service_table_remove(t, &s->vip, s->proto, s->ports, s->n_ports, slot);
			s->is_used = false;
		} else {
			make_random(&next);
			if (!clashes(all, &next)) {
				cr_assert_eq(lb_service_table_add(t, &next.vip, next.proto,
								  next.ports, next.n_ports, slot),
					     0, "seed %u step %d", seed, step);
				*s = next;
			}
		}
		compare(t, all);
	}
	for (uint32_t i = 0; i < SERVICES; i++)
		if (all[i].is_used)
			lb_service_table_remove(t, &all[i].vip, all[i].proto, all[i].ports,
						all[i].n_ports, i);
	for (int i = 0; i < VIPS; i++) {
		struct lb_addr vip = vip_of(i);

		cr_expect_not(lb_service_table_has_vip(t, &vip));
	}
	free(t);
}

#define PORTS 24000u

/* The `i`th port of many: eight at each address, of both families and protocols. */
static void name_port(uint32_t i, struct lb_addr *vip, uint8_t *proto, struct lb_port_range *port)
{
	uint32_t host = i / 8;

	*vip = host % 2 == 0
		       ? lb_addr_from_v4(rte_cpu_to_be_32(0xc0a80000u + host))
		       : (struct lb_addr){{RTE_BE32(0x20010db8), 0, rte_cpu_to_be_32(host), 1}};
	*proto = i % 2 == 0 ? IPPROTO_TCP : IPPROTO_UDP;
	port->first = port->last = (uint16_t)(443 + i % 8 / 2 * 256);
}

static void check_ports(const struct lb_service_table *t, const bool *is_there, uint32_t from,
			uint32_t step)
{
	for (uint32_t i = from; i < PORTS; i += step) {
		struct lb_port_range port;
		struct lb_addr vip;
		uint8_t proto;

		name_port(i, &vip, &proto, &port);
		cr_assert_eq(lb_service_table_lookup(t, &vip, proto, rte_cpu_to_be_16(port.first)),
			     is_there[i] ? i : LB_SERVICE_NOT_FOUND, "port %u", i);
		cr_assert_eq(lb_service_table_lookup(t, &vip, IPPROTO_SCTP,
						     rte_cpu_to_be_16(port.first)),
			     LB_SERVICE_NOT_FOUND);
	}
}

static void change_ports(struct lb_service_table *t, bool *is_there, uint32_t i)
{
	struct lb_port_range port;
	struct lb_addr vip;
	uint8_t proto;

	name_port(i, &vip, &proto, &port);
	if (is_there[i])
		lb_service_table_remove(t, &vip, proto, &port, 1, i);
	else
		cr_assert_eq(lb_service_table_add(t, &vip, proto, &port, 1, i), 0, "port %u", i);
	is_there[i] = !is_there[i];
}

/* Enough that buckets overflow, split and are taken back, whatever the seed. */
Test(service_table, finds_each_of_many_ports_while_they_come_and_go)
{
	static bool is_there[PORTS];
	struct lb_service_table *t = make_table(3 * PORTS);
	unsigned int seed = (unsigned int)(uintptr_t)t ^ 78u;

	srand(seed);
	cr_log_info("seed %u", seed);
	for (uint32_t i = 0; i < PORTS; i++) {
		change_ports(t, is_there, i);
		if (i % 1000 == 0)
			check_ports(t, is_there, (uint32_t)rand() % 7, 7);
	}
	check_ports(t, is_there, 0, 1);
	for (uint32_t round = 0; round < 12; round++) {
		for (uint32_t i = 0; i < PORTS / 4; i++)
			change_ports(t, is_there, (uint32_t)rand() % PORTS);
		check_ports(t, is_there, (uint32_t)rand() % 7, 7);
	}
	for (uint32_t i = 0; i < PORTS; i++)
		if (is_there[i])
			change_ports(t, is_there, i);
	check_ports(t, is_there, 0, 1);
	free(t);
}

/* The `i`th of addresses and ports as configurations have them: in rows, or many ports of few. */
static void name_regular(uint32_t shape, uint32_t i, struct lb_addr *vip,
			 struct lb_port_range *port)
{
	static const uint32_t steps[] = {1, 256, 65536, 257};
	uint32_t host = shape < 8 ? i * steps[shape % 4] : i / 64 * steps[shape % 4];

	*vip = lb_addr_from_v4(rte_cpu_to_be_32(0x0a000001u + host));
	if (shape / 4 % 2 == 1)
		*vip = (struct lb_addr){{RTE_BE32(0x20010db8), 0, 0, rte_cpu_to_be_32(host)}};
	port->first = port->last = (uint16_t)(shape < 8 ? 443 : 8000 + i % 64);
}

/* Of random keys 1 in 120 makes a bucket go on in another one, of IPv6 1 in 38. */
Test(service_table, regular_addresses_lie_nearly_as_apart_as_random_ones)
{
	for (uint32_t shape = 0; shape < 16; shape++) {
		struct lb_service_table *t = make_table(3 * PORTS);
		uint32_t n_most = PORTS / (shape / 4 % 2 == 1 ? 30 : 40);

		for (uint32_t i = 0; i < PORTS; i++) {
			struct lb_port_range port;
			struct lb_addr vip;

			name_regular(shape, i, &vip, &port);
			cr_assert_eq(lb_service_table_add(t, &vip, IPPROTO_TCP, &port, 1, i), 0);
		}
		cr_expect_lt(t->exact.n_more, n_most, "shape %u: %u", shape, t->exact.n_more);
		free(t);
	}
}

Test(service_table, refuses_and_stays_whole_at_its_bound)
{
	struct lb_service_table *t = make_table(8);
	struct lb_addr vip = vip_of(0);
	struct lb_port_range a = {80, 80}, b = {1000, 60000}, c = {443, 443};

	cr_expect_eq(lb_service_table_add(t, &vip, IPPROTO_TCP, &a, 1, 1), 0);
	cr_expect_eq(lb_service_table_add(t, &vip, IPPROTO_TCP, &b, 1, 2), -ENOSPC);
	cr_expect_eq(lb_service_table_lookup(t, &vip, IPPROTO_TCP, rte_cpu_to_be_16(2000)),
		     LB_SERVICE_NOT_FOUND);
	cr_expect_eq(lb_service_table_add(t, &vip, IPPROTO_TCP, &a, 1, 3), -EEXIST);
	cr_expect_eq(lb_service_table_add(t, &vip, IPPROTO_TCP, &c, 1, 3), 0);
	cr_expect_eq(lb_service_table_lookup(t, &vip, IPPROTO_TCP, rte_cpu_to_be_16(80)), 1u);
	cr_expect_eq(lb_service_table_lookup(t, &vip, IPPROTO_TCP, rte_cpu_to_be_16(443)), 3u);
	cr_expect_eq(lb_service_table_lookup(t, &vip, IPPROTO_UDP, rte_cpu_to_be_16(80)),
		     LB_SERVICE_NOT_FOUND);
	cr_expect(lb_service_table_has_vip(t, &vip));
	free(t);
}

Test(service_table, a_range_takes_at_most_thirty_entries)
{
	for (uint32_t first = 0; first < 65536; first += 37) {
		for (uint32_t last = first; last < 65536; last += 101) {
			struct lb_port_range r = {(uint16_t)first, (uint16_t)last};

			cr_assert_leq(lb_service_table_entries(&r, 1), 32u, "%u-%u", first, last);
		}
	}
}
