/* trace.h - packets on their way, told one by one.
 *
 * Role     which packets are wanted, and what each pass found out about one
 * Shape    plain values; ids as in service.h
 * Units    addresses and ports in network order, bytes of frames
 * Threads  a filter is made by control and copied by each worker; records are told by workers
 * Memory   values
 * Limits   LB_TRACE_COUNT_MAX packets a trace, LB_TRACE_BYTES of a frame
 * Errors   none
 * Source   STYLE 1.2 (trace instead of logs); decision 0091
 * Tests    tests/unit/test_pipeline_trace.c
 */
#ifndef LB_TRACE_H
#define LB_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#include "lb/addr.h"
#include "lb/verdict.h"

#define LB_TRACE_COUNT_MAX 1000u
#define LB_TRACE_BYTES 128u

/* The packet's way: the four passes in their order. */
enum lb_pass { LB_PASS_ADMIT, LB_PASS_CHOOSE, LB_PASS_DELIVER, LB_PASS_ACCOUNT, LB_PASS_N };

/* What is left out is zero; `slot` UINT32_MAX. A packet that is not TCP, UDP or an ICMP error about
 * them matches only a filter without protocol, addresses and ports. */
struct lb_trace_filter {
	uint32_t count; /* of packets, each worker; 0: ends the trace that runs */
	uint32_t slot;	/* of the service */
	uint8_t proto;	/* IPPROTO_TCP or IPPROTO_UDP */
	bool only_drops;
	bool has_src;
	bool has_dst;
	rte_be16_t sport_be;
	rte_be16_t dport_be;
	struct lb_prefix src; /* of an ICMP error: as of the answers to what it quotes */
	struct lb_prefix dst;
};

enum lb_trace_kind {
	LB_TRACE_OTHER, /* no addresses were read */
	LB_TRACE_FLOW,
	LB_TRACE_ICMP_ERROR,
	LB_TRACE_FRAGMENT,	 /* without ports */
	LB_TRACE_FIRST_FRAGMENT, /* with them */
};

struct lb_trace_end {
	struct lb_addr addr;
	rte_be16_t port_be;
};

struct lb_trace_record {
	uint64_t at_ms;	  /* since the workers started */
	uint32_t n_lost;  /* of this worker's records of this trace so far, for lack of room */
	uint32_t idx;	  /* in its burst */
	uint8_t ended_in; /* enum lb_pass: the pass that gave the verdict */

	/* admit */
	uint8_t kind; /* enum lb_trace_kind */
	uint8_t proto;
	uint8_t tcp_flags;
	uint8_t iface;
	bool is_handed; /* by another worker */
	bool is_again;	/* it has waited for its first fragment */
	struct lb_trace_end src; /* of an ICMP error: of the answers to what it quotes */
	struct lb_trace_end dst;

	/* choose */
	bool was_known; /* there was a connection when its burst came */
	bool is_reply;
	uint8_t forwarding;
	uint32_t slot;	  /* UINT32_MAX: none */
	uint32_t real_id; /* UINT32_MAX: none */

	/* deliver */
	uint8_t out_iface;
	struct lb_trace_end new_src;
	struct lb_trace_end new_dst;

	/* the end */
	uint8_t verdict; /* enum lb_verdict */
	bool is_originated;
	uint16_t drop_reason; /* enum lb_counter */
	uint16_t owner;	      /* worker, of HAND_OVER */

	uint32_t in_bytes; /* of the whole frame */
	uint32_t out_bytes; /* 0: nothing left */
	uint8_t in[LB_TRACE_BYTES];
	uint8_t out[LB_TRACE_BYTES];
};

#endif
