#include "steer/awaited.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "frame.h"
#include "random.h"

static struct lb_awaited *create(uint64_t seed)
{
	struct lb_awaited *a = calloc(1, sizeof(*a));

	a->seed = seed;
	return a;
}

static bool is_awaited(const struct lb_awaited *a, struct frame *f)
{
	struct lb_pkt p = frame_view(f);

	return lb_awaited_is(a, &p);
}

static void from(struct frame *f, const char *src, const char *dst, uint16_t vlan)
{
	frame_eth(f);
	if (vlan != 0)
		frame_vlan(f, vlan);
	if (strchr(src, ':') != NULL)
		frame_ipv6(f, src, dst);
	else
		frame_ipv4(f, src, dst);
	frame_tcp(f, 80, 40000, LB_TCP_SYN | LB_TCP_ACK);
	frame_finish(f);
}

Test(awaited, what_comes_from_a_real_server)
{
	static const char *const servers[] = {"192.0.2.11", "2001:db8::11"};
	static const char *const others[] = {"192.0.2.12", "2001:db8::12"};
	struct lb_awaited *a = create(1);
	struct frame f;

	for (uint32_t i = 0; i < 2; i++) {
		const char *node = i == 0 ? "192.0.2.2" : "2001:db8::2";
		struct lb_addr addr;

		cr_assert_eq(lb_addr_parse(servers[i], &addr), 0);
		from(&f, servers[i], node, 0);
		cr_expect(!is_awaited(a, &f));
		lb_awaited_add(a, &addr);
		lb_awaited_add(a, &addr);
		cr_expect(is_awaited(a, &f));
		from(&f, servers[i], node, 100);
		cr_expect(is_awaited(a, &f), "tagged");
		from(&f, others[i], node, 0);
		cr_expect(!is_awaited(a, &f));
		from(&f, others[i], servers[i], 0);
		cr_expect(!is_awaited(a, &f), "to it is not from it");
		from(&f, servers[i], node, 0);
		lb_awaited_remove(a, &addr);
		cr_expect(is_awaited(a, &f), "it is there twice");
		lb_awaited_remove(a, &addr);
		cr_expect(!is_awaited(a, &f));
	}
	free(a);
}

static void arp(struct frame *f, uint8_t operation, bool is_broadcast)
{
	uint8_t body[46] = {0, 1, 8, 0, 6, 4, 0, operation};

	frame_eth(f);
	frame_ethertype(f, 0x0806);
	frame_bytes(f, body, sizeof(body));
	if (is_broadcast)
		memset(frame_at(f, 0), 0xff, 6);
}

Test(awaited, answers_of_address_resolution)
{
	struct lb_awaited *a = create(1);
	struct frame f;

	arp(&f, 2, false);
	cr_expect(is_awaited(a, &f));
	arp(&f, 1, false);
	cr_expect(!is_awaited(a, &f), "a question");
	arp(&f, 2, true);
	cr_expect(!is_awaited(a, &f), "to everybody");
	for (uint32_t type = 133; type < 138; type++) {
		frame_eth(&f);
		frame_ipv6(&f, "fe80::1", "2001:db8::2");
		frame_icmp(&f, (uint8_t)type, 0, 0);
		frame_finish(&f);
		cr_expect_eq(is_awaited(a, &f), type == 136, "type %u", type);
	}
	free(a);
}

/* Cut anywhere, nothing is read behind the end (the sanitizers watch). */
Test(awaited, frames_that_are_cut)
{
	struct lb_awaited *a = create(1);
	struct lb_addr addr;
	struct frame f;

	lb_addr_parse("2001:db8::11", &addr);
	lb_awaited_add(a, &addr);
	from(&f, "2001:db8::11", "2001:db8::2", 7);
	for (uint32_t n = 14; n <= f.len; n++) {
		uint8_t *exact = malloc(n);
		struct lb_pkt p = {.data = exact, .len = n};

		memcpy(exact, frame_at(&f, 0), n);
		cr_expect_eq(lb_awaited_is(a, &p), n > 14 + 4 + 40, "%u bytes", n);
		free(exact);
	}
	free(a);
}

/* Every server is always found; of strangers about as many as the header says. */
Test(awaited, many_servers_come_and_go)
{
	enum { N = 2000 };
	struct test_random r = {.state = test_seed("many")};
	struct lb_awaited *a = create(r.state);
	static struct lb_addr servers[N];
	uint32_t n_strangers = 0;
	struct frame f;

	from(&f, "192.0.2.11", "192.0.2.2", 0);
	for (uint32_t i = 0; i < N; i++) {
		servers[i] = lb_addr_from_v4(test_random_below(&r, 1u << 31));
		lb_awaited_add(a, &servers[i]);
	}
	for (uint32_t i = 0; i < 10 * N; i++) {
		rte_be32_t v4_be = i < N ? lb_addr_v4(&servers[i])
					 : test_random_below(&r, 1u << 31);

		memcpy(frame_at(&f, 26), &v4_be, 4);
		cr_assert(i >= N || is_awaited(a, &f));
		n_strangers += i >= N && is_awaited(a, &f);
	}
	cr_expect_lt(n_strangers, 9 * N / 10, "%u of %u", n_strangers, 9 * N);
	for (uint32_t i = 0; i < N; i++)
		lb_awaited_remove(a, &servers[i]);
	for (uint32_t i = 0; i < LB_AWAITED_CELLS; i++)
		cr_assert_eq(a->n[i], 0u);
	free(a);
}
