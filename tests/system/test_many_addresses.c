/* Many VIPs on one netdev: they come and go some a turn of the loop, while others have theirs. */
#include "netlink_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "namespace.h"
#include "netlink_state.h"

/* Of either family; LB_TEST_ADDRESSES says otherwise, for figures. */
#define N_EACH_DEFAULT 600u
#define N_EACH_MAX 50000u

static uint32_t n_each, n_all;
static struct lb_wanted_addr wanted[2 * N_EACH_MAX + 1];
static uint32_t n_ticks;

static void fill(void)
{
	const char *text_n = getenv("LB_TEST_ADDRESSES");

	n_each = text_n != NULL ? (uint32_t)atol(text_n) : N_EACH_DEFAULT;
	cr_assert(n_each >= N_EACH_DEFAULT && n_each <= N_EACH_MAX);
	n_all = 2 * n_each;
	for (uint32_t i = 0; i < n_each; i++) {
		char text[LB_ADDR_TEXT_MAX];

		snprintf(text, sizeof(text), "198.18.%u.%u", i >> 8, i & 255);
		wanted[2 * i] = wanted_addr(text, 0, 0);
		snprintf(text, sizeof(text), "2001:db8:1::%x", i + 1);
		wanted[2 * i + 1] = wanted_addr(text, 0, 0);
	}
	wanted[n_all] = wanted_addr("198.19.0.1", 0, 0);
}

/* Stands for a probe. */
static void on_tick(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	(void)ctx;
	n_ticks++;
}

static uint64_t cpu_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* Runs the loop to the end of the pass; no turn asks for more than its share, and what else waits
 * has its turn after each. */
static void run_pass(const char *what)
{
	uint64_t first = lb_addresses_asked(nl->addresses), asked = first;
	size_t left = lb_netlink_addresses_left(nl), n = left;
	uint32_t n_turns = 0;
	struct event *tick = evtimer_new(base, on_tick, NULL);
	uint64_t begin_us = cpu_us(), longest_us = 0;

	n_ticks = 0;
	while (left > 0) {
		const struct timeval now = {0};
		uint64_t before = asked, turn_us = cpu_us();

		evtimer_add(tick, &now);
		event_base_loop(base, EVLOOP_ONCE);
		turn_us = cpu_us() - turn_us;
		longest_us = turn_us > longest_us ? turn_us : longest_us;
		asked = lb_addresses_asked(nl->addresses);
		cr_assert_leq(asked - before, LB_ADDRESSES_PER_TURN, "%s: %llu in one turn", what,
			      (unsigned long long)(asked - before));
		n_turns += asked > before;
		left = lb_netlink_addresses_left(nl);
	}
	cr_expect_geq(n_turns, n / LB_ADDRESSES_PER_TURN, "%s: %u turns", what, n_turns);
	cr_expect_geq(n_ticks, n_turns, "%s: others had %u turns", what, n_ticks);
	fprintf(stderr, "%s: %zu changes in %u turns, CPU %llu ms, longest turn %llu us\n", what, n,
		n_turns, (unsigned long long)(cpu_us() - begin_us) / 1000,
		(unsigned long long)longest_us);
	event_free(tick);
}

/* On the netdev, by the kernel's own word. */
static void expect_on_netdev(uint32_t n)
{
	namespace_run("test $(ip -o addr show dev eth1 | grep -cE "
		      "'198\\.18\\.|198\\.19\\.|2001:db8:1:') = %u",
		      n);
}

static bool is_told(const void *arg)
{
	uint32_t n = 0;

	for (size_t i = 0; i < told.n_locals; i++)
		for (uint32_t w = 0; w < 2; w++)
			n += lb_addr_equal(&told.locals[i], &wanted[n_all - 1 - w].addr);
	return n == *(const uint32_t *)arg;
}

Test(many_addresses, come_and_go_in_turns_of_the_loop, .init = setup, .fini = teardown)
{
	const uint32_t both = 2;
	uint64_t asked;

	fill();
	open_netlink();
	cr_assert_eq(lb_netlink_set_addresses(nl, wanted, n_all), 0u);
	cr_expect_eq(lb_addresses_asked(nl->addresses), LB_ADDRESSES_PER_TURN);
	run_pass("add all");
	expect_on_netdev(n_all);
	wait_until(is_told, &both, "the last ones are told as local");

	/* What is there costs nothing. */
	asked = lb_addresses_asked(nl->addresses);
	cr_assert_eq(lb_netlink_set_addresses(nl, wanted, n_all + 1), 0u);
	cr_expect_eq(lb_addresses_asked(nl->addresses), asked + 1);
	cr_expect_eq(lb_netlink_addresses_left(nl), 0u);
	expect_on_netdev(n_all + 1);

	cr_assert_eq(lb_netlink_set_addresses(nl, wanted, 10), 0u);
	run_pass("take most away");
	expect_on_netdev(10);
}

static bool is_on_netdev(const void *arg)
{
	return namespace_try("ip addr show dev eth1 | grep -qF ' %s/'", (const char *)arg) == 0;
}

Test(many_addresses, a_new_set_replaces_one_that_is_half_there, .init = setup, .fini = teardown)
{
	fill();
	open_netlink();
	cr_assert_eq(lb_netlink_set_addresses(nl, wanted, 1000), 0u);
	cr_expect_eq(lb_netlink_addresses_left(nl), 1000 - LB_ADDRESSES_PER_TURN);
	cr_assert_eq(lb_netlink_set_addresses(nl, wanted + 600, 600), 0u);
	run_pass("another set");
	expect_on_netdev(600);

	/* Whoever takes one away gets it back, once the mirror has seen that. */
	namespace_run("ip addr del 198.18.1.144/32 dev eth1");
	wait_until(is_on_netdev, "198.18.1.144", "an address that somebody took away is back");
	expect_on_netdev(600);
	cr_assert_eq(lb_netlink_set_addresses(nl, NULL, 0), 0u);
	lb_netlink_close(nl);
	nl = NULL;
	expect_on_netdev(0);
}
