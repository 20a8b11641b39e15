/* trial.h - what one trial is to send, as a line of words.
 *
 * Role     reads `forwarding=dsr flows=1000 size=64 ...` into numbers, refuses what is unknown or
 *          out of bounds, naming the word
 * Shape    gen_trial_parse(line, &trial, complaint, size); the words are in gen_trial_words
 * Units    rate in packets a second, times in ms, size with the check sequence, shares in percent
 * Threads  pure
 * Memory   changes the line it parses
 * Limits   each word's range is in its row
 * Errors   -EINVAL and a sentence
 * Tests    tests/unit/test_generator_trial.c
 */
#ifndef GEN_TRIAL_H
#define GEN_TRIAL_H

#include "plan.h"

#include <stddef.h>

#define GEN_COMPLAINT_MAX 160u
#define GEN_WINDOW_MAX 16384u

struct gen_trial {
	struct gen_plan plan;
	uint32_t side; /* which device under test, where there are several */
	uint32_t n_flows;
	uint32_t first_flow;
	uint32_t size;      /* 0: IMIX, 7 of 64, 4 of 594, 1 of 1518 */
	uint32_t largest;   /* any size above is cut to this: room for a tunnel */
	uint32_t is_linear; /* flows by number; otherwise scattered, each once a round */
	uint32_t is_syn;    /* TCP flags: SYN, otherwise ACK */
	uint32_t replies;   /* servers answer */
	uint32_t flood_percent;
	uint32_t is_forgetting; /* servers of flows remembered so far are forgotten */
	uint32_t check_every;   /* every n-th frame is read to the last byte; 0: none */
	uint32_t window;   /* packets on the way at most; what is sent is never refused. 0: open */
	uint32_t rate_pps; /* 0: as fast as the window lets */
	uint64_t count;    /* packets to send; 0: no bound */
	uint32_t ms;       /* time to send; 0: no bound. With neither, until a line comes */
	uint32_t quiet_ms; /* what is not back after so long a silence is lost */
};

struct gen_trial_word {
	const char *name;
	const char *help;
	size_t off;
	uint64_t min, max, value; /* the default */
	const char *const *names; /* of the values, where they have names */
	uint32_t is_u64;
};

extern const struct gen_trial_word gen_trial_words[];
extern const size_t gen_trial_n_words;

int gen_trial_parse(char *line, struct gen_trial *out, char complaint[GEN_COMPLAINT_MAX]);

/* A trial has this many sizes, all the same without IMIX. */
#define GEN_SIZES 3u
uint32_t gen_trial_size(const struct gen_trial *trial, uint32_t idx);
/* Which of them the n-th packet has. */
uint32_t gen_trial_size_idx(uint64_t n);

#endif
