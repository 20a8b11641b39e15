#include "ledger.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool is_same_flows(const struct gen_ledger *ledger, const struct gen_trial *trial)
{
	const struct gen_plan *a = &ledger->plan, *b = &trial->plan;

	return ledger->side == trial->side && a->is_v6 == b->is_v6 && a->is_tcp == b->is_tcp &&
	       a->n_clients == b->n_clients && a->n_services == b->n_services;
}

int gen_ledger_begin(struct gen_ledger *ledger, const struct gen_trial *trial)
{
	uint32_t n = trial->first_flow + trial->n_flows;
	uint16_t *server_of = ledger->server_of;
	uint32_t n_before = ledger->n_server_of;

	if (n > n_before) {
		server_of = realloc(server_of, n * sizeof(*server_of));
		if (server_of == NULL)
			return -ENOMEM;
		memset(server_of + n_before, 0, (n - n_before) * sizeof(*server_of));
		n_before = n;
	}
	if (trial->is_forgetting || !is_same_flows(ledger, trial))
		memset(server_of, 0, n_before * sizeof(*server_of));
	memset(ledger, 0, sizeof(*ledger));
	ledger->server_of = server_of;
	ledger->n_server_of = n_before;
	ledger->plan = trial->plan;
	ledger->side = trial->side;
	return 0;
}

void gen_ledger_free(struct gen_ledger *ledger)
{
	free(ledger->server_of);
	memset(ledger, 0, sizeof(*ledger));
}

static void remember(struct gen_ledger *ledger, const struct gen_seen *seen)
{
	uint16_t *server = &ledger->server_of[seen->flow];

	ledger->of_server[seen->server]++;
	if (*server == seen->server)
		return;
	if (*server != 0) {
		ledger->moved++;
		ledger->moved_from[*server]++;
	}
	*server = (uint16_t)seen->server;
}

void gen_ledger_book(struct gen_ledger *ledger, const struct gen_trial *trial,
		     const struct gen_seen *seen, const char *complaint)
{
	if (seen->place == GEN_NOWHERE) {
		ledger->nowhere++;
		return;
	}
	if (seen->flow & GEN_FLOOD) {
		ledger->flood_received++;
		return;
	}
	if (complaint == NULL && seen->flow - trial->first_flow >= trial->n_flows)
		complaint = "of a flow that was not sent";
	if (complaint == NULL && seen->server > trial->plan.n_servers)
		complaint = "to a server that there is not";
	if (complaint != NULL) {
		ledger->bad++;
		if (ledger->complaint == NULL) {
			ledger->complaint = complaint;
			ledger->bad_flow = seen->flow;
		}
	}
	if (seen->place == GEN_AT_CLIENT) {
		ledger->at_clients++;
		return;
	}
	ledger->at_servers++;
	if (complaint == NULL)
		remember(ledger, seen);
}

static uint64_t n_back(const struct gen_ledger *ledger, const struct gen_trial *trial)
{
	return trial->replies || trial->plan.forwarding == GEN_MIRROR ? ledger->at_clients
								      : ledger->at_servers;
}

uint64_t gen_ledger_lost(const struct gen_ledger *ledger, const struct gen_trial *trial)
{
	uint64_t wanted = ledger->sent + ledger->refused, back = n_back(ledger, trial);

	return wanted > back ? wanted - back : 0;
}

static void print_servers(const struct gen_ledger *ledger, FILE *out)
{
	uint64_t least = UINT64_MAX, most = 0;
	uint32_t n = 0;
	const char *comma = "";

	for (uint32_t i = 1; i <= GEN_SERVERS_MAX; i++) {
		if (ledger->of_server[i] == 0)
			continue;
		n++;
		least = ledger->of_server[i] < least ? ledger->of_server[i] : least;
		most = ledger->of_server[i] > most ? ledger->of_server[i] : most;
	}
	fprintf(out,
		", \"servers_seen\": %u, \"server_least\": %" PRIu64 ", \"server_most\": %" PRIu64
		", \"moved\": %" PRIu64 ", \"moved_from\": {",
		n, n == 0 ? 0 : least, most, ledger->moved);
	for (uint32_t i = 1; i <= GEN_SERVERS_MAX; i++) {
		if (ledger->moved_from[i] == 0)
			continue;
		fprintf(out, "%s\"%u\": %" PRIu64, comma, i, ledger->moved_from[i]);
		comma = ", ";
	}
	fputc('}', out);
}

static void print_latency(const struct gen_ledger *ledger, FILE *out)
{
	static const struct {
		const char *name;
		double share;
	} quantiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}};
	const struct gen_histogram *h = &ledger->latency;

	fprintf(out, ", \"latency_ns\": {\"n\": %" PRIu64 ", \"min\": %.0f, \"max\": %.0f", h->n,
		(double)h->min * ledger->ns_per_unit, (double)h->max * ledger->ns_per_unit);
	for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++)
		fprintf(out, ", \"%s\": %.0f", quantiles[i].name,
			(double)gen_histogram_quantile(h, quantiles[i].share) *
				ledger->ns_per_unit);
	fputc('}', out);
}

void gen_ledger_print(const struct gen_ledger *ledger, const struct gen_trial *trial,
		      double seconds, FILE *out)
{
	double per_second = seconds > 0 ? 1 / seconds : 0;

	fprintf(out,
		"{\"sent\": %" PRIu64 ", \"refused\": %" PRIu64 ", \"late\": %" PRIu64
		", \"flood_sent\": %" PRIu64 ", \"flood_received\": %" PRIu64
		", \"at_servers\": %" PRIu64 ", \"at_clients\": %" PRIu64 ", \"nowhere\": %" PRIu64
		", \"stale\": %" PRIu64 ", \"lost\": %" PRIu64 ", \"checked\": %" PRIu64
		", \"bad\": %" PRIu64,
		ledger->sent, ledger->refused, ledger->late, ledger->flood_sent,
		ledger->flood_received, ledger->at_servers, ledger->at_clients, ledger->nowhere,
		ledger->stale, gen_ledger_lost(ledger, trial), ledger->checked, ledger->bad);
	if (ledger->complaint != NULL)
		fprintf(out, ", \"complaint\": \"flow %u: %s\"", ledger->bad_flow,
			ledger->complaint);
	print_servers(ledger, out);
	fprintf(out, ", \"seconds\": %.6f, \"sent_pps\": %.0f, \"received_pps\": %.0f", seconds,
		(double)(ledger->sent + ledger->flood_sent) * per_second,
		(double)n_back(ledger, trial) * per_second);
	fprintf(out, ", \"sent_bytes\": %" PRIu64 ", \"received_bytes\": %" PRIu64,
		ledger->sent_bytes, ledger->received_bytes);
	print_latency(ledger, out);
	fputs("}\n", out);
}
