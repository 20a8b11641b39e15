#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "steer/schedule.h"

#define SERVERS 16

static struct lb_service_server servers[SERVERS];
static struct lb_port_range port = {80, 80};
static uint8_t bits[SERVERS];
static struct lb_target_map targets = {bits, 0};

static struct lb_service *make_service(size_t n, uint8_t scheduler, const uint32_t *weights)
{
	struct lb_service_params p = {.protocol = IPPROTO_TCP,
				      .scheduler = scheduler,
				      .ports = &port,
				      .n_ports = 1,
				      .servers = servers,
				      .n_servers = n};
	struct lb_service *svc;

	for (uint32_t i = 0; i < n; i++) {
		servers[i] = (struct lb_service_server){.real_id = i,
							.target_id = i,
							.group_target_id = SERVERS + i,
							.weight = weights == NULL ? 1 : weights[i]};
		lb_target_set(&targets, i, LB_TARGET_NEW | LB_TARGET_KEEP);
		lb_target_set(&targets, SERVERS + i, LB_TARGET_NEW);
	}
	cr_assert_eq(lb_service_build(&p, &svc, NULL), 0);
	return svc;
}

Test(schedule, round_robin_counts_differ_by_at_most_one_at_every_moment)
{
	for (size_t n = 1; n <= SERVERS; n++) {
		struct lb_service *svc = make_service(n, LB_SCHED_ROUND_ROBIN, NULL);
		struct lb_schedule_state st;
		uint32_t count[SERVERS] = {0};

		lb_schedule_init(&st, svc, 1, 3, n);
		for (int i = 0; i < 500; i++) {
			uint32_t low = UINT32_MAX, high = 0, pick;

			pick = lb_schedule_pick(svc, &st, &targets, false);
			cr_assert_lt(pick, n);
			count[pick]++;
			for (size_t s = 0; s < n; s++) {
				low = count[s] < low ? count[s] : low;
				high = count[s] > high ? count[s] : high;
			}
			cr_assert_leq(high - low, 1u, "%zu servers", n);
		}
		lb_service_free(svc);
	}
}

Test(schedule, weighted_equals_the_weights_over_each_cycle_also_without_a_server)
{
	static const uint32_t weights[] = {5, 1, 3, 0, 2};
	struct lb_service *svc = make_service(5, LB_SCHED_WEIGHTED_ROUND_ROBIN, weights);
	struct lb_schedule_state st;

	lb_schedule_init(&st, svc, 0, 1, 9);
	for (int down = -1; down < 5; down++) {
		uint32_t count[5] = {0}, cycle = 11;

		if (down >= 0) {
			lb_target_set(&targets, (uint32_t)down, LB_TARGET_KEEP);
			cycle -= weights[down];
		}
		for (uint32_t i = 0; i < cycle; i++)
			count[lb_schedule_pick(svc, &st, &targets, false)]++;
		for (int s = 0; s < 5; s++)
			cr_expect_eq(count[s], s == down ? 0 : weights[s], "down %d server %d",
				     down, s);
		if (down >= 0)
			lb_target_set(&targets, (uint32_t)down, LB_TARGET_NEW);
	}
	lb_service_free(svc);
}

Test(schedule, picks_only_the_eligible_and_says_when_there_is_none)
{
	struct lb_service *svc = make_service(6, LB_SCHED_ROUND_ROBIN, NULL);
	struct lb_schedule_state st;
	unsigned int seed = 4711;

	srand(seed);
	lb_schedule_init(&st, svc, 0, 1, 1);
	for (int i = 0; i < 5000; i++) {
		bool for_group = rand() % 2, any = false;
		uint32_t base = for_group ? SERVERS : 0, pick;

		for (uint32_t s = 0; s < 6; s++) {
			if (rand() % 3 == 0)
				lb_target_set(&targets, base + s, (uint32_t)rand() % 4);
			any |= lb_target_get(&targets, base + s) & LB_TARGET_NEW;
		}
		pick = lb_schedule_pick(svc, &st, &targets, for_group);
		cr_assert_eq(pick != UINT32_MAX, any, "seed %u step %d", seed, i);
		if (any)
			cr_assert(lb_target_get(&targets, base + pick) & LB_TARGET_NEW);
	}
	lb_service_free(svc);
}

Test(schedule, workers_start_apart_and_a_new_object_keeps_the_place)
{
	struct lb_service *svc = make_service(8, LB_SCHED_ROUND_ROBIN, NULL), *fewer;
	struct lb_schedule_state st[4];

	for (uint32_t w = 0; w < 4; w++)
		lb_schedule_init(&st[w], svc, w, 4, 5);
	for (uint32_t w = 1; w < 4; w++)
		cr_expect_eq((st[w].next + 8 - st[0].next) % 8, 2 * w);
	st[0].next = 5;
	lb_schedule_replace(&st[0], svc);
	cr_expect_eq(st[0].next, 5u);
	fewer = make_service(3, LB_SCHED_ROUND_ROBIN, NULL);
	lb_schedule_replace(&st[0], fewer);
	cr_expect_lt(lb_schedule_pick(fewer, &st[0], &targets, false), 3u);
	lb_service_free(svc);
	lb_service_free(fewer);
}

Test(schedule, a_service_without_servers_picks_none)
{
	struct lb_service *svc = make_service(0, LB_SCHED_ROUND_ROBIN, NULL);
	struct lb_schedule_state st;

	lb_schedule_init(&st, svc, 0, 1, 1);
	cr_expect_eq(lb_schedule_pick(svc, &st, &targets, false), UINT32_MAX);
	lb_service_free(svc);
}
