#include "health/vip_marks.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "random.h"

#define ROUNDS 200000u

static struct lb_vip_question question_of(uint32_t probe)
{
	return (struct lb_vip_question){
		.way.packet = {.vip = lb_addr_from_v4(RTE_BE32(0xc000020a)),
			       .source = lb_addr_from_v4(RTE_BE32(0xc0000202))},
		.probe = probe,
		.port = (uint16_t)(probe % 3 * 100)};
}

static struct lb_probe_answer answer_to(const struct lb_vip_question *q)
{
	return (struct lb_probe_answer){.from = q->way.packet.vip,
					.to = q->way.packet.source,
					.port = q->port,
					.type = q->port == 0 ? LB_PROBE_ECHOED : LB_PROBE_ACCEPTED,
					.mark = q->mark};
}

/* The naive twin: everything ever asked, in order, and whether it is still waited for. */
struct asked {
	struct lb_vip_question question;
	bool is_waiting;
};

Test(vip_marks, finds_what_is_waited_for_and_nothing_else)
{
	struct test_random random = {test_seed("vip_marks")};
	struct asked *asked = calloc(ROUNDS, sizeof(*asked));
	struct lb_vip_marks *m;
	uint32_t n = 0, n_waiting = 0, n_refused = 0;

	cr_assert_eq(lb_vip_marks_create(1, &m), 0);
	for (uint32_t round = 0; round < ROUNDS; round++) {
		uint32_t i = n == 0 ? 0 : test_random_below(&random, n);
		const struct lb_vip_question *found;
		struct lb_probe_answer answer;
		enum lb_probe_outcome outcome;
		const char *reason;

		/* Waves, so that all numbers are in use now and then. */
		if (n == 0 || test_random_below(&random, 10) < (round / 20000 % 2 == 0 ? 8u : 2u)) {
			struct lb_vip_question q = question_of(round);
			uint16_t number = lb_vip_marks_take(m, &q);

			cr_assert_eq(number == 0, n_waiting == LB_VIP_NUMBERS);
			n_refused += number == 0;
			if (number == 0)
				continue;
			cr_assert(number >= LB_VIP_NUMBER_FIRST &&
				  number < LB_VIP_NUMBER_FIRST + LB_VIP_NUMBERS);
			asked[n++] = (struct asked){q, true};
			n_waiting++;
			continue;
		}
		answer = answer_to(&asked[i].question);
		found = lb_vip_marks_match(m, &answer, &outcome, &reason);
		cr_assert_eq(found != NULL, asked[i].is_waiting, "an answer long after its probe");
		if (found == NULL)
			continue;
		cr_assert_eq(found->probe, asked[i].question.probe);
		cr_assert_eq(outcome, LB_PROBE_UP);
		lb_vip_marks_release(m, asked[i].question.mark.number);
		asked[i].is_waiting = false;
		n_waiting--;
	}
	cr_assert_gt(n_refused, 0, "the bound was never met");
	lb_vip_marks_destroy(m);
	free(asked);
}

Test(vip_marks, an_answer_must_fit_in_everything)
{
	struct lb_vip_question q = question_of(1);
	const struct lb_addr other = lb_addr_from_v4(RTE_BE32(0xc0000263));
	struct lb_probe_answer right, wrong[7];
	enum lb_probe_outcome outcome;
	struct lb_vip_marks *m;
	const char *reason;

	cr_assert_eq(lb_vip_marks_create(1, &m), 0);
	lb_vip_marks_take(m, &q);
	right = answer_to(&q);
	for (size_t i = 0; i < 7; i++)
		wrong[i] = right;
	wrong[0].from = other;
	wrong[1].to = other;
	wrong[2].port++;
	wrong[3].mark.token++;
	wrong[4].mark.number++;
	wrong[5].mark.number = 80;
	wrong[6].type = LB_PROBE_ECHOED;
	for (size_t i = 0; i < 7; i++)
		cr_expect_null(lb_vip_marks_match(m, &wrong[i], &outcome, &reason), "%zu", i);
	right.type = LB_PROBE_REFUSED;
	cr_assert_not_null(lb_vip_marks_match(m, &right, &outcome, &reason));
	cr_expect_eq(outcome, LB_PROBE_DOWN);
	cr_expect_str_eq(reason, "connection refused");
	lb_vip_marks_destroy(m);
}

Test(vip_marks, a_free_number_serves_again_last)
{
	struct lb_vip_question q = question_of(1);
	struct lb_vip_marks *m;
	uint16_t first;

	cr_assert_eq(lb_vip_marks_create(1, &m), 0);
	first = lb_vip_marks_take(m, &q);
	lb_vip_marks_release(m, first);
	for (uint32_t i = 1; i < LB_VIP_NUMBERS; i++)
		cr_assert_neq(lb_vip_marks_take(m, &q), first);
	cr_expect_eq(lb_vip_marks_take(m, &q), first);
	cr_expect_eq(lb_vip_marks_take(m, &q), 0);
	lb_vip_marks_destroy(m);
}
