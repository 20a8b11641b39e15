/* ledger.h - what became of the packets of a trial, and which server each flow had.
 *
 * Role     books every frame that comes back: where it was, whether its flow kept its server, what
 *          was wrong with it; keeps the servers of flows from one trial to the next
 * Shape    gen_ledger_book() a frame; gen_ledger_print() the trial as one line of JSON
 * Units    packets; latencies in the units of the stamp's clock, printed in ns
 * Threads  one
 * Memory   two bytes a flow, grown to GEN_FLOWS_MAX; 2 x 8 bytes a server
 * Limits   GEN_FLOWS_MAX flows, GEN_SERVERS_MAX servers
 * Errors   -ENOMEM from gen_ledger_begin()
 * Tests    tests/unit/test_generator_trial.c
 */
#ifndef GEN_LEDGER_H
#define GEN_LEDGER_H

#include "histogram.h"
#include "inspect.h"
#include "trial.h"

#include <stdio.h>

struct gen_ledger {
	/* of all trials */
	uint16_t *server_of; /* by flow; 0: not known */
	uint32_t n_server_of;
	struct gen_plan plan; /* of what is remembered: under another one, flows are others */
	uint32_t side;
	/* of this trial */
	uint64_t sent;    /* without the flood */
	uint64_t refused; /* the device took no more; counted as lost, not in `sent` */
	uint64_t late;    /* the generator itself fell behind its rate and left them out */
	uint64_t flood_sent, flood_received;
	uint64_t at_servers, at_clients, nowhere;
	uint64_t stale; /* of the trial before: came when nobody waited for them any more */
	uint64_t checked, bad, moved;
	uint64_t sent_bytes, received_bytes; /* without check sequences */
	const char *complaint;               /* of the first bad frame */
	uint32_t bad_flow;
	uint64_t of_server[GEN_SERVERS_MAX + 1];
	uint64_t moved_from[GEN_SERVERS_MAX + 1];
	struct gen_histogram latency; /* in units of the stamp's clock */
	double ns_per_unit;
};

/* Opens a trial on a zeroed or used ledger. */
int gen_ledger_begin(struct gen_ledger *ledger, const struct gen_trial *trial);
void gen_ledger_free(struct gen_ledger *ledger);

/* Books a frame; `complaint` NULL where nothing is wrong with it. A flood's is only counted. */
void gen_ledger_book(struct gen_ledger *ledger, const struct gen_trial *trial,
		     const struct gen_seen *seen, const char *complaint);

/* What should have come back and did not, the refused ones with them. */
uint64_t gen_ledger_lost(const struct gen_ledger *ledger, const struct gen_trial *trial);

void gen_ledger_print(const struct gen_ledger *ledger, const struct gen_trial *trial,
		      double seconds, FILE *out);

#endif
