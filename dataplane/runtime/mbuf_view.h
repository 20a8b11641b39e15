/* mbuf_view.h - an mbuf as the packet path sees it, and back.
 *
 * Role     the only file that knows both struct rte_mbuf and struct lb_pkt
 * Shape    inline functions; the view borrows the mbuf's bytes
 * Units    bytes
 * Threads  the worker that owns the mbuf
 * Memory   the mbuf stays the owner; a view is void once the mbuf is freed or sent
 * Limits   a view is contiguous: an mbuf of several segments is joined when it fits into the
 *          first one, otherwise lb_view_make refuses it (drop_too_large)
 * Errors   false
 * Tests    tests/eal/test_dataplane.c
 */
#ifndef LB_MBUF_VIEW_H
#define LB_MBUF_VIEW_H

#include <rte_mbuf.h>

#include "packet/packet.h"

static inline bool lb_view_make(struct rte_mbuf *m, uint8_t port, struct lb_pkt *p)
{
	if (m->nb_segs > 1 && rte_pktmbuf_linearize(m) != 0)
		return false;
	p->data = rte_pktmbuf_mtod(m, uint8_t *);
	p->len = m->data_len;
	p->headroom = rte_pktmbuf_headroom(m);
	p->tailroom = rte_pktmbuf_tailroom(m);
	p->rest = 0;
	p->port = port;
	p->is_handed = false;
	return true;
}

/* The passes may have moved the start within the headroom and changed the length. */
static inline void lb_view_commit(const struct lb_pkt *p, struct rte_mbuf *m)
{
	m->data_off = (uint16_t)(p->data - (uint8_t *)m->buf_addr);
	m->data_len = (uint16_t)p->len;
	m->pkt_len = p->len;
	/* What the driver of the receiving port noted does not hold for the sending one. */
	m->ol_flags = 0;
}

#endif
