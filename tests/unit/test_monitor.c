#include "health/monitor.h"

#include <criterion/criterion.h>

#include "random.h"

#define OUTCOMES_MAX 400u

/* The twin looks at the whole history each time: the first outcome decides, then the state turns
 * when the last `rise` or `fall` outcomes since its last turn all contradict it. */
static enum lb_health_state naive_state(const bool *outcomes, uint32_t n, uint32_t rise,
					uint32_t fall)
{
	enum lb_health_state state = LB_HEALTH_CHECKING;

	for (uint32_t i = 0; i < n; i++) {
		bool is_up = state == LB_HEALTH_UP;
		uint32_t need = is_up ? fall : rise, against = 0;

		if (i == 0) {
			state = outcomes[0] ? LB_HEALTH_UP : LB_HEALTH_DOWN;
			continue;
		}
		while (against < need && against <= i && outcomes[i - against] != is_up)
			against++;
		if (against == need)
			state = is_up ? LB_HEALTH_DOWN : LB_HEALTH_UP;
	}
	return state;
}

static struct lb_probe_spec any_spec(struct test_random *random)
{
	struct lb_probe_spec spec = {
		.interval_ms = 100 + test_random_below(random, 5000),
		.rise = 1 + test_random_below(random, 5),
		.fall = 1 + test_random_below(random, 5),
		.jitter_percent = test_random_below(random, 51),
	};

	/* The configuration asks for it: one probe ends before the next begins. */
	spec.timeout_ms = 1 + test_random_below(random, spec.interval_ms / 2);
	return spec;
}

Test(monitor, agrees_with_its_history_read_from_the_start)
{
	struct test_random random = {test_seed("monitor")};
	static bool outcomes[OUTCOMES_MAX];

	for (uint32_t round = 0; round < 50; round++) {
		struct lb_probe_spec spec = any_spec(&random);
		struct lb_monitor m;

		lb_monitor_init(&m, &spec, test_random(&random), 0);
		cr_assert_eq(m.state, LB_HEALTH_CHECKING);
		for (uint32_t n = 0; n < OUTCOMES_MAX; n++) {
			enum lb_health_state before = m.state, want;
			bool has_changed;

			/* Runs, or long streaks would hardly ever come. */
			outcomes[n] = n > 0 && test_random_below(&random, 3) != 0
					      ? outcomes[n - 1]
					      : test_random_below(&random, 2) != 0;
			has_changed = lb_monitor_outcome(&m, outcomes[n]);
			want = naive_state(outcomes, n + 1, spec.rise, spec.fall);
			cr_assert_eq(m.state, want, "rise %u fall %u outcome %u", spec.rise,
				     spec.fall, n);
			cr_assert_eq(has_changed, before != want);
		}
	}
}

/* A server that stops answering at any moment, on a simulated clock. */
Test(monitor, finds_a_failure_within_the_stated_bound)
{
	struct test_random random = {test_seed("monitor bound")};

	for (uint32_t round = 0; round < 2000; round++) {
		struct lb_probe_spec spec = any_spec(&random);
		uint64_t fails_ms, at_ms = 0, start_ms = test_random(&random) % 1000000;
		struct lb_monitor m;

		fails_ms = start_ms + 1500 + test_random_below(&random, 20 * spec.interval_ms);
		lb_monitor_init(&m, &spec, test_random(&random), start_ms);
		for (at_ms = start_ms; m.state != LB_HEALTH_DOWN;) {
			uint64_t due_ms = lb_monitor_next_ms(&m, at_ms);
			bool is_up = due_ms < fails_ms;

			cr_assert_geq(due_ms, at_ms);
			/* A server that is up answers at once, one that is not never does. */
			at_ms = due_ms + (is_up ? 0 : spec.timeout_ms);
			lb_monitor_outcome(&m, is_up);
		}
		if (fails_ms < start_ms + LB_MONITOR_FIRST_MS)
			continue;
		cr_assert_leq(at_ms - fails_ms, lb_monitor_detection_ms(&m),
			      "interval %u timeout %u fall %u jitter %u: %llu ms", spec.interval_ms,
			      spec.timeout_ms, spec.fall, spec.jitter_percent,
			      (unsigned long long)(at_ms - fails_ms));
	}
}

Test(monitor, spreads_probes_within_the_jitter_and_the_same_way_for_one_seed)
{
	struct test_random random = {test_seed("monitor jitter")};

	for (uint32_t round = 0; round < 500; round++) {
		struct lb_probe_spec spec = any_spec(&random);
		uint64_t seed = test_random(&random), last_ms;
		struct lb_monitor m, same;

		lb_monitor_init(&m, &spec, seed, 7);
		lb_monitor_init(&same, &spec, seed, 7);
		last_ms = lb_monitor_next_ms(&m, 7);
		cr_assert_eq(last_ms, lb_monitor_next_ms(&same, 7));
		cr_assert_lt(last_ms - 7, spec.interval_ms);
		cr_assert_lt(last_ms - 7, LB_MONITOR_FIRST_MS);
		for (uint32_t i = 0; i < 100; i++) {
			uint64_t due_ms = lb_monitor_next_ms(&m, last_ms);
			uint64_t least = (uint64_t)spec.interval_ms * (100 - spec.jitter_percent) /
					 100;

			cr_assert_eq(due_ms, lb_monitor_next_ms(&same, last_ms));
			cr_assert_leq(due_ms - last_ms, spec.interval_ms);
			cr_assert_geq(due_ms - last_ms, least);
			last_ms = due_ms;
		}
	}
}

Test(monitor, does_not_pile_up_probes_when_called_late)
{
	struct lb_probe_spec spec = {.interval_ms = 100, .timeout_ms = 50, .rise = 1, .fall = 1};
	struct lb_monitor m;

	lb_monitor_init(&m, &spec, 1, 0);
	lb_monitor_next_ms(&m, 0);
	cr_assert_eq(lb_monitor_next_ms(&m, 10000), 10000);
	cr_assert_eq(lb_monitor_next_ms(&m, 10000), 10100);
}

Test(monitor, starts_with_a_verdict_that_was_known_before)
{
	struct lb_probe_spec spec = {.interval_ms = 100,
				     .timeout_ms = 50,
				     .rise = 2,
				     .fall = 3,
				     .initial = LB_HEALTH_UP};
	struct lb_monitor m;

	lb_monitor_init(&m, &spec, 1, 0);
	cr_assert(!lb_monitor_outcome(&m, false));
	cr_assert(!lb_monitor_outcome(&m, false));
	cr_assert_eq(m.state, LB_HEALTH_UP);
	cr_assert(lb_monitor_outcome(&m, false));
	cr_assert_eq(m.state, LB_HEALTH_DOWN);
}
