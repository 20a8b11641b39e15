/* ballast-generator - sends client traffic through a balancer and judges what reaches the servers.
 *
 * A line of words on standard input is a trial (trial.h), a line of JSON on standard output its
 * result; pktgen-tests/run asks the questions. The first line says that all links are up.
 */
#include "ledger.h"
#include "run_trial.h"
#include "side.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>

#define LINE_MAX_BYTES 1024
#define LINK_MS 30000u

struct options {
	uint32_t arms;
	const char *dut_macs;
	char **eal_args;
	int n_eal_args;
};

static void print_help(void)
{
	puts("Usage: ballast-generator [OPTION]... [-- EAL ARGUMENT...]\n"
	     "Sends the trials that standard input names, one a line, and judges what comes back.\n"
	     "\n"
	     "  --arms N         ports to each device under test: 1, or 2 with the servers behind\n"
	     "                   the second (1)\n"
	     "  --dut-mac LIST   MACs of the devices' ports in DPDK's order, with commas\n"
	     "                   (02:00:00:03:00:00 and on)\n"
	     "  --help\n"
	     "\n"
	     "Words of a trial, NAME=VALUE with blanks between; a line during a trial ends it:");
	for (size_t i = 0; i < gen_trial_n_words; i++) {
		const struct gen_trial_word *word = &gen_trial_words[i];

		printf("  %-12s %s", word->name, word->help);
		if (word->names == NULL)
			printf(" (%llu)\n", (unsigned long long)word->value);
		else
			printf(" (%s)\n", word->names[word->value]);
	}
}

/* 1: done, nothing to run. */
static int parse_options(int argc, char **argv, struct options *out)
{
	static const struct option options[] = {
		{"arms", required_argument, NULL, 'a'},
		{"dut-mac", required_argument, NULL, 'm'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int id;

	*out = (struct options){.arms = 1};
	while ((id = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		switch (id) {
		case 'a':
			out->arms = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'm':
			out->dut_macs = optarg;
			break;
		case 'h':
			print_help();
			return 1;
		default:
			return -EINVAL;
		}
	}
	if (out->arms < 1 || out->arms > GEN_ARMS_MAX) {
		fputs("ballast-generator: --arms is 1 or 2\n", stderr);
		return -EINVAL;
	}
	/* EAL wants a program's name before its arguments: in place of the "--", or our own. */
	out->eal_args = argv + optind - 1;
	out->eal_args[0] = argv[0];
	out->n_eal_args = argc - optind + 1;
	return 0;
}

static int serve(const struct gen_sides *sides, struct gen_ledger *ledger)
{
	char line[LINE_MAX_BYTES], complaint[GEN_COMPLAINT_MAX];
	struct gen_trial trial;
	double seconds;

	printf("{\"ready\": true, \"sides\": %u, \"tsc_hz\": %llu}\n", sides->n,
	       (unsigned long long)rte_get_tsc_hz());
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin) != NULL) {
		if (line[strspn(line, " \n")] == '\0')
			continue;
		if (gen_trial_parse(line, &trial, complaint) != 0) {
			printf("{\"error\": \"%s\"}\n", complaint);
		} else if (trial.side >= sides->n) {
			printf("{\"error\": \"side=%u: there are %u\"}\n", trial.side, sides->n);
		} else if (gen_run_trial(sides, &trial, ledger, &seconds) != 0) {
			fputs("ballast-generator: out of memory\n", stderr);
			return 1;
		} else {
			gen_ledger_print(ledger, &trial, seconds, stdout);
		}
		fflush(stdout);
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct gen_ledger *ledger;
	struct gen_sides sides = {0};
	struct options options;
	int rc;

	/* The loop looks at the descriptor: no line may wait unseen in a buffer. */
	setvbuf(stdin, NULL, _IONBF, 0);
	rc = parse_options(argc, argv, &options);
	if (rc != 0)
		return rc < 0 ? 2 : 0;
	if (rte_eal_init(options.n_eal_args, options.eal_args) < 0) {
		fprintf(stderr, "ballast-generator: EAL: %s\n", rte_strerror(rte_errno));
		return 1;
	}
	ledger = calloc(1, sizeof(*ledger));
	rc = ledger == NULL ? -ENOMEM : gen_sides_open(&sides, options.arms, options.dut_macs);
	if (rc == 0)
		rc = gen_sides_wait(&sides, LINK_MS);
	rc = rc == 0 ? serve(&sides, ledger) : 1;
	if (ledger != NULL)
		gen_ledger_free(ledger);
	free(ledger);
	gen_sides_close(&sides);
	rte_eal_cleanup();
	return rc;
}
