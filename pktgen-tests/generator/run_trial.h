/* run_trial.h - a trial: sends, receives, answers, books, until all is back.
 *
 * Role     the generator's loop over one side
 * Units    cycles of the TSC; stamps in 64 cycles, so that 32 bits last a minute and more
 * Threads  the one that polls the ports
 * Memory   what it is given
 * Limits   bursts of GEN_BURST_MAX
 * Errors   -ENOMEM
 * Tests    tests/eal/test_pktgen_tests.py
 */
#ifndef GEN_RUN_TRIAL_H
#define GEN_RUN_TRIAL_H

#include "ledger.h"
#include "side.h"

/* Returns with the ledger closed; `seconds` is the time from the first packet to the last one sent.
 * A line on standard input ends the sending. */
int gen_run_trial(const struct gen_sides *sides, const struct gen_trial *trial,
		  struct gen_ledger *ledger, double *seconds);

#endif
