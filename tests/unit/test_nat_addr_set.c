#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "steer/nat_addr_set.h"

#define N_SOURCES 40u
#define N_ADDRS 6u

static struct lb_nat_addr_set *make_set(void)
{
	void *mem = calloc(1, lb_nat_addr_set_bytes());
	struct lb_nat_addr_set *s;

	cr_assert_neq(mem, NULL);
	lb_nat_addr_set_init(mem, 7, &s);
	return s;
}

static struct lb_addr address(uint32_t n)
{
	struct lb_addr v6 = {{RTE_BE32(0x20010db8), 0, 0, rte_cpu_to_be_32(n)}};

	return n % 2 == 0 ? lb_addr_from_v4(rte_cpu_to_be_32(0xc0000200u + n)) : v6;
}

/* Few addresses and ranges, so that sources share them. */
static void random_source(struct test_random *r, struct lb_nat_source *src)
{
	memset(src, 0, sizeof(*src));
	src->first_port = (uint16_t)(1000 + 100 * test_random_below(r, 5));
	src->last_port = (uint16_t)(src->first_port + 50 + 100 * test_random_below(r, 3));
	for (uint32_t n = 0; n < N_ADDRS; n++) {
		struct lb_nat_addr a = {address(n), (uint16_t)(n + 1)};

		if (test_random_below(r, 3) != 0)
			continue;
		if (lb_addr_is_v4(&a.addr))
			src->v4[src->n_v4++] = a;
		else
			src->v6[src->n_v6++] = a;
	}
}

static bool source_has(const struct lb_nat_source *src, const struct lb_addr *addr)
{
	for (uint32_t i = 0; i < src->n_v4; i++)
		if (lb_addr_equal(&src->v4[i].addr, addr))
			return true;
	for (uint32_t i = 0; i < src->n_v6; i++)
		if (lb_addr_equal(&src->v6[i].addr, addr))
			return true;
	return false;
}

static bool owns(const struct lb_nat_source *src, const struct lb_addr *addr, uint32_t port)
{
	return src->first_port <= port && port <= src->last_port && source_has(src, addr);
}

static void compare(const struct lb_nat_addr_set *s, struct lb_nat_source *const sources[N_SOURCES],
		    uint32_t n, uint32_t port)
{
	struct lb_addr addr = address(n);
	uint32_t found = lb_nat_addr_set_find(s, &addr, rte_cpu_to_be_16((uint16_t)port));
	bool is_there = false, is_owned = false;

	for (uint32_t i = 0; i < N_SOURCES; i++) {
		if (sources[i] == NULL)
			continue;
		is_there |= source_has(sources[i], &addr);
		is_owned |= owns(sources[i], &addr, port);
	}
	cr_assert_eq(lb_nat_addr_set_has(s, &addr), is_there, "address %u", n);
	cr_assert_eq(found != UINT32_MAX, is_owned, "address %u port %u", n, port);
	if (found != UINT32_MAX)
		cr_assert(sources[found] != NULL && owns(sources[found], &addr, port),
			  "source %u does not own address %u port %u", found, n, port);
}

Test(nat_addr_set, answers_like_a_list_of_the_sources)
{
	struct test_random r = {test_seed("nat_addr_set")};
	struct lb_nat_source *sources[N_SOURCES] = {0};
	struct lb_nat_addr_set *s = make_set();

	for (uint32_t step = 0; step < 20000; step++) {
		uint32_t idx = test_random_below(&r, N_SOURCES);

		if (sources[idx] != NULL) {
			lb_nat_addr_set_remove(s, sources[idx], idx);
			free(sources[idx]);
			sources[idx] = NULL;
		} else {
			sources[idx] = malloc(sizeof(*sources[idx]));
			cr_assert_neq(sources[idx], NULL);
			random_source(&r, sources[idx]);
			lb_nat_addr_set_add(s, sources[idx], idx);
		}
		compare(s, sources, test_random_below(&r, N_ADDRS),
			900 + test_random_below(&r, 900));
	}
	for (uint32_t i = 0; i < N_SOURCES; i++)
		free(sources[i]);
	free(s);
}

Test(nat_addr_set, leaves_out_what_does_not_fit_and_stays_usable)
{
	struct lb_nat_source *src = calloc(1, sizeof(*src));
	struct lb_nat_addr_set *s = make_set();
	struct lb_addr last, first = lb_addr_from_v4(RTE_BE32(0x0a000000));
	uint32_t n_sources = LB_NAT_ADDR_SET_MAX / LB_NAT_ADDRS_MAX;

	cr_assert_neq(src, NULL);
	src->first_port = 1;
	src->last_port = 2;
	src->n_v4 = LB_NAT_ADDRS_MAX;
	for (uint32_t i = 0; i <= n_sources; i++) {
		for (uint32_t j = 0; j < LB_NAT_ADDRS_MAX; j++)
			src->v4[j].addr = lb_addr_from_v4(
				rte_cpu_to_be_32(0x0a000000u + i * LB_NAT_ADDRS_MAX + j));
		lb_nat_addr_set_add(s, src, i);
	}
	last = src->v4[0].addr;
	cr_expect(lb_nat_addr_set_has(s, &first));
	cr_expect_not(lb_nat_addr_set_has(s, &last), "there was no room for it");
	cr_expect_eq(lb_nat_addr_set_find(s, &first, RTE_BE16(2)), 0);
	cr_expect_eq(lb_nat_addr_set_find(s, &first, RTE_BE16(3)), UINT32_MAX);
	lb_nat_addr_set_remove(s, src, n_sources);
	cr_expect(lb_nat_addr_set_has(s, &first), "removing what never fitted takes nothing away");
	free(s);
	free(src);
}
