#include <criterion/criterion.h>
#include <string.h>

#include "lb/counters.h"

Test(counters, every_counter_has_a_name_a_sentence_and_its_place)
{
	cr_expect_str_eq(lb_counter_info[LB_COUNT_rx].name, "rx");
	cr_expect_str_eq(lb_counter_info[LB_COUNT_drop_no_server].name, "drop_no_server");
	for (uint32_t i = 0; i < LB_COUNTER_N; i++) {
		const struct lb_counter_info *info = &lb_counter_info[i];

		cr_expect(info->name != NULL && info->name[0] != '\0', "counter %u", i);
		cr_expect(info->help != NULL && strlen(info->help) >= 10, "%s", info->name);
		for (uint32_t j = 0; j < i; j++)
			cr_expect_str_neq(info->name, lb_counter_info[j].name);
	}
}

Test(counters, drop_reasons_are_named_as_such)
{
	for (uint32_t i = 0; i < LB_COUNTER_N; i++) {
		bool is_drop = strncmp(lb_counter_info[i].name, "drop_", 5) == 0;

		cr_expect_eq(lb_counter_info[i].kind == LB_COUNTER_DROP, is_drop, "%s",
			     lb_counter_info[i].name);
	}
}

/* The law as DESIGN 3.11 writes it; everything else must weigh nothing. */
Test(counters, imbalance_weighs_each_counter_as_the_law_says)
{
	static const enum lb_counter in[] = {LB_COUNT_rx, LB_COUNT_handed_in, LB_COUNT_injected,
					     LB_COUNT_originated};
	static const enum lb_counter out[] = {LB_COUNT_tx, LB_COUNT_handed_out, LB_COUNT_punted,
					      LB_COUNT_held};
	int64_t weight[LB_COUNTER_N] = {0};

	for (uint32_t i = 0; i < 4; i++) {
		weight[in[i]] = 1;
		weight[out[i]] = -1;
	}
	for (uint32_t i = 0; i < LB_COUNTER_N; i++) {
		uint64_t value[LB_COUNTER_N] = {0};

		if (strncmp(lb_counter_info[i].name, "drop_", 5) == 0)
			weight[i] = -1;
		value[i] = 7;
		cr_expect_eq(lb_counters_imbalance(value), 7 * weight[i], "%s",
			     lb_counter_info[i].name);
	}
}

Test(counters, balanced_books_have_no_imbalance)
{
	uint64_t value[LB_COUNTER_N] = {0};

	cr_expect_eq(lb_counters_imbalance(value), 0);
	value[LB_COUNT_rx] = 10;
	value[LB_COUNT_originated] = 1;
	value[LB_COUNT_tx] = 7;
	value[LB_COUNT_punted] = 2;
	value[LB_COUNT_drop_no_server] = 1;
	value[LB_COUNT_held] = 1;
	value[LB_COUNT_conn_created] = 99;
	cr_expect_eq(lb_counters_imbalance(value), 0);
	value[LB_COUNT_rx] = UINT64_MAX;
	value[LB_COUNT_tx] = UINT64_MAX - 3;
	cr_expect_eq(lb_counters_imbalance(value), 0);
}
