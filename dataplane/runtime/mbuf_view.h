/* mbuf_view.h - an mbuf as the packet path sees it, and back.
 *
 * Role     with mbuf_chain.h all that knows both struct rte_mbuf and struct lb_pkt
 * Shape    inline functions; the view borrows the mbuf's bytes
 * Units    bytes
 * Threads  the worker that owns the mbuf
 * Memory   the mbuf stays the owner; a view is void once the mbuf is freed or sent
 * Limits   a frame in several segments is given by its first and its parts, see mbuf_chain.h;
 *          what that refuses, lb_view_make refuses (drop_too_large)
 * Errors   false
 * Tests    tests/eal/test_dataplane.c, test_chained.c
 */
#ifndef LB_MBUF_VIEW_H
#define LB_MBUF_VIEW_H

#include <rte_mbuf.h>

#include "packet/packet.h"
#include "runtime/mbuf_chain.h"

/* `parts`: room for LB_PARTS_MAX, as long as the view. */
static inline bool lb_view_make(struct rte_mbuf *m, uint8_t port, struct lb_part *parts,
				struct lb_pkt *p)
{
	p->rest = 0;
	if (unlikely(m->nb_segs > 1)) {
		if (!lb_chain_gather(m, parts))
			return false;
		p->rest = m->pkt_len - m->data_len;
		p->parts = parts;
	}
	p->data = rte_pktmbuf_mtod(m, uint8_t *);
	p->len = m->data_len;
	p->headroom = rte_pktmbuf_headroom(m);
	p->tailroom = rte_pktmbuf_tailroom(m);
	p->port = port;
	p->is_handed = false;
	return true;
}

/* The passes may have moved the start within the headroom and changed the length. */
static inline void lb_view_commit(const struct lb_pkt *p, struct rte_mbuf *m)
{
	m->data_off = (uint16_t)(p->data - (uint8_t *)m->buf_addr);
	m->data_len = (uint16_t)p->len;
	m->pkt_len = lb_pkt_bytes(p);
	/* What the driver of the receiving port noted does not hold for the sending one. */
	m->ol_flags = 0;
	if (unlikely(m->nb_segs > 1))
		lb_chain_cut(m, p->rest);
}

#endif
