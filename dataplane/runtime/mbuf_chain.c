#include "runtime/mbuf_chain.h"

#include <string.h>

/* Takes `n` bytes, which are there, from the second segment and those behind it into the first. */
static void pull(struct rte_mbuf *m, uint32_t n)
{
	while (n > 0) {
		struct rte_mbuf *next = m->next;
		uint16_t k = (uint16_t)RTE_MIN(n, (uint32_t)next->data_len);

		memcpy(rte_pktmbuf_mtod_offset(m, uint8_t *, m->data_len),
		       rte_pktmbuf_mtod(next, const uint8_t *), k);
		m->data_len = (uint16_t)(m->data_len + k);
		next->data_off = (uint16_t)(next->data_off + k);
		next->data_len = (uint16_t)(next->data_len - k);
		n -= k;
		if (next->data_len > 0)
			continue;
		m->next = next->next;
		m->nb_segs--;
		rte_pktmbuf_free_seg(next);
	}
}

bool lb_chain_gather(struct rte_mbuf *m, struct lb_part *parts)
{
	uint32_t least = RTE_MIN(m->pkt_len, LB_CONTIGUOUS_MIN), n = 0;

	if (m->data_len < least) {
		if (least - m->data_len > rte_pktmbuf_tailroom(m))
			return false;
		pull(m, least - m->data_len);
	}
	for (const struct rte_mbuf *seg = m->next; seg != NULL; seg = seg->next) {
		if (n == LB_PARTS_MAX)
			return false;
		parts[n].data = rte_pktmbuf_mtod(seg, const uint8_t *);
		parts[n++].len = seg->data_len;
	}
	return true;
}

void lb_chain_cut(struct rte_mbuf *m, uint32_t rest)
{
	struct rte_mbuf *last = m, *unused;
	uint16_t n = 1;

	while (rest > 0) {
		last = last->next;
		last->data_len = (uint16_t)RTE_MIN(rest, (uint32_t)last->data_len);
		rest -= last->data_len;
		n++;
	}
	unused = last->next;
	last->next = NULL;
	m->nb_segs = n;
	rte_pktmbuf_free(unused);
}
