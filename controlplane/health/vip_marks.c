#include "health/vip_marks.h"

#include <errno.h>
#include <stdlib.h>

struct lb_vip_marks {
	struct lb_vip_question questions[LB_VIP_NUMBERS]; /* number 0 in its mark: free */
	uint16_t free_numbers[LB_VIP_NUMBERS];            /* ring, longest free first */
	uint32_t free_first;
	uint32_t n_free;
	uint64_t random;
};

int lb_vip_marks_create(uint64_t seed, struct lb_vip_marks **out)
{
	struct lb_vip_marks *m = calloc(1, sizeof(*m));

	*out = m;
	if (m == NULL)
		return -ENOMEM;
	m->random = seed;
	for (uint32_t i = 0; i < LB_VIP_NUMBERS; i++)
		m->free_numbers[m->n_free++] = (uint16_t)(LB_VIP_NUMBER_FIRST + i);
	return 0;
}

void lb_vip_marks_destroy(struct lb_vip_marks *m)
{
	free(m);
}

/* Nobody who does not see our packets can answer for a server. */
static uint32_t draw(struct lb_vip_marks *m)
{
	uint64_t z = m->random += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (uint32_t)((z ^ (z >> 31)) >> 32);
}

uint16_t lb_vip_marks_take(struct lb_vip_marks *m, struct lb_vip_question *question)
{
	uint16_t number;

	if (m->n_free == 0)
		return 0;
	number = m->free_numbers[m->free_first];
	m->free_first = (m->free_first + 1) % LB_VIP_NUMBERS;
	m->n_free--;
	question->mark = (struct lb_probe_mark){number, draw(m)};
	m->questions[number - LB_VIP_NUMBER_FIRST] = *question;
	return number;
}

void lb_vip_marks_release(struct lb_vip_marks *m, uint16_t number)
{
	if (number == 0)
		return;
	m->questions[number - LB_VIP_NUMBER_FIRST].mark.number = 0;
	m->free_numbers[(m->free_first + m->n_free++) % LB_VIP_NUMBERS] = number;
}

const struct lb_vip_question *lb_vip_marks_match(const struct lb_vip_marks *m,
						 const struct lb_probe_answer *answer,
						 enum lb_probe_outcome *outcome,
						 const char **reason)
{
	uint32_t i = (uint32_t)answer->mark.number - LB_VIP_NUMBER_FIRST;
	const struct lb_vip_question *q;

	if (i >= LB_VIP_NUMBERS)
		return NULL;
	q = &m->questions[i];
	if (q->mark.number == 0 || (q->port == 0) != (answer->type == LB_PROBE_ECHOED) ||
	    q->mark.token != answer->mark.token || q->port != answer->port ||
	    !lb_addr_equal(&q->way.packet.vip, &answer->from) ||
	    !lb_addr_equal(&q->way.packet.source, &answer->to))
		return NULL;
	if (answer->type == LB_PROBE_REFUSED) {
		lb_probe_outcome_of(ECONNREFUSED, reason);
		*outcome = LB_PROBE_DOWN;
		return q;
	}
	*outcome = LB_PROBE_UP;
	*reason = "";
	return q;
}
