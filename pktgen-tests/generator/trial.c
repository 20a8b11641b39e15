#include "trial.h"

#include "template.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT(field) offsetof(struct gen_trial, field)
#define MS_MAX 86400000u

static const char *const family_name[] = {"4", "6", NULL};
static const char *const protocol_name[] = {"udp", "tcp", NULL};
static const char *const order_name[] = {"scattered", "linear", NULL};
static const char *const flags_name[] = {"ack", "syn", NULL};

/* Values with names are read into 32-bit words first, so that this table needs one kind. */
enum word {
	FORWARDING,
	FAMILY,
	PROTOCOL,
	PLAIN,
};

const struct gen_trial_word gen_trial_words[] = {
	{"forwarding", "what lies between", FORWARDING, 0, GEN_FORWARDING_N - 1, GEN_DSR,
	 gen_forwarding_name, 2},
	{"family", "4 or 6", FAMILY, 0, 1, 0, family_name, 2},
	{"protocol", "udp or tcp", PROTOCOL, 0, 1, 0, protocol_name, 2},
	{"clients", "client addresses", AT(plan.n_clients), 1, GEN_CLIENTS_MAX, 1024, NULL, 0},
	{"services", "virtual services", AT(plan.n_services), 1, GEN_SERVICES_MAX, 1, NULL, 0},
	{"servers", "real servers", AT(plan.n_servers), 1, GEN_SERVERS_MAX, 4, NULL, 0},
	{"side", "device under test, 0 the first", AT(side), 0, 15, 0, NULL, 0},
	{"flows", "connections", AT(n_flows), 1, GEN_FLOWS_MAX, 1, NULL, 0},
	{"first", "number of the first flow", AT(first_flow), 0, GEN_FLOWS_MAX - 1, 0, NULL, 0},
	{"size", "bytes of a frame with check sequence, 0: IMIX", AT(size), 0, GEN_SIZE_MAX, 64,
	 NULL, 0},
	{"largest", "larger sizes are cut to this", AT(largest), GEN_SIZE_MIN, GEN_SIZE_MAX,
	 GEN_SIZE_MAX, NULL, 0},
	{"order", "scattered or linear", AT(is_linear), 0, 1, 0, order_name, 0},
	{"flags", "of tcp: ack or syn", AT(is_syn), 0, 1, 0, flags_name, 0},
	{"replies", "1: servers answer (nat, fullnat)", AT(replies), 0, 1, 0, NULL, 0},
	{"flood", "percent of the packets that are a SYN flood", AT(flood_percent), 0, 99, 0, NULL,
	 0},
	{"forget", "1: forget which server each flow had", AT(is_forgetting), 0, 1, 0, NULL, 0},
	{"check", "read every n-th frame to the last byte, 0: none", AT(check_every), 0, 1u << 30,
	 1, NULL, 0},
	{"window", "packets on the way at most, 0: no bound", AT(window), 0, GEN_WINDOW_MAX, 256,
	 NULL, 0},
	{"rate", "packets a second, 0: as fast as it goes", AT(rate_pps), 0, 200000000, 0, NULL, 0},
	{"count", "packets to send, 0: no bound", AT(count), 0, UINT64_C(1) << 50, 0, NULL, 1},
	{"ms", "milliseconds to send, 0: no bound", AT(ms), 0, MS_MAX, 0, NULL, 0},
	{"quiet", "milliseconds of silence after which the rest is lost", AT(quiet_ms), 1, 60000,
	 1000, NULL, 0},
};
const size_t gen_trial_n_words = sizeof(gen_trial_words) / sizeof(gen_trial_words[0]);

static void store(struct gen_trial *out, const struct gen_trial_word *word, uint64_t value)
{
	uint32_t narrow = (uint32_t)value;

	if (word->is_u64 == 2) {
		if (word->off == FORWARDING)
			out->plan.forwarding = (enum gen_forwarding)value;
		else if (word->off == FAMILY)
			out->plan.is_v6 = value != 0;
		else
			out->plan.is_tcp = value != 0;
	} else if (word->is_u64) {
		memcpy((char *)out + word->off, &value, sizeof(value));
	} else {
		memcpy((char *)out + word->off, &narrow, sizeof(narrow));
	}
}

static int read_value(const struct gen_trial_word *word, const char *text, uint64_t *out)
{
	char *end;

	if (word->names != NULL) {
		for (*out = 0; *out <= word->max; ++*out)
			if (strcmp(word->names[*out], text) == 0)
				return 0;
		return -EINVAL;
	}
	errno = 0;
	*out = strtoull(text, &end, 10);
	return errno == 0 && *text >= '0' && *text <= '9' && *end == '\0' && *out >= word->min &&
			       *out <= word->max
		       ? 0
		       : -EINVAL;
}

static int take_word(char *text, struct gen_trial *out, char complaint[GEN_COMPLAINT_MAX])
{
	size_t n = strcspn(text, "=");
	uint64_t value;

	for (size_t i = 0; i < gen_trial_n_words; i++) {
		const struct gen_trial_word *word = &gen_trial_words[i];

		if (strlen(word->name) != n || strncmp(word->name, text, n) != 0 || text[n] != '=')
			continue;
		if (read_value(word, text + n + 1, &value) == 0) {
			store(out, word, value);
			return 0;
		}
		if (word->names != NULL)
			snprintf(complaint, GEN_COMPLAINT_MAX, "%s: %s is needed", text,
				 word->help);
		else
			snprintf(complaint, GEN_COMPLAINT_MAX,
				 "%s: a number from %llu to %llu is needed", text,
				 (unsigned long long)word->min, (unsigned long long)word->max);
		return -EINVAL;
	}
	snprintf(complaint, GEN_COMPLAINT_MAX, "%s: no such word; --help lists them", text);
	return -EINVAL;
}

static const char *judge(const struct gen_trial *t)
{
	if (t->first_flow + t->n_flows > GEN_FLOWS_MAX)
		return "first and flows: past the last flow";
	if (t->replies && t->plan.forwarding != GEN_NAT && t->plan.forwarding != GEN_FULLNAT)
		return "replies: with nat and fullnat only; otherwise they do not pass the "
		       "balancer";
	if (t->flood_percent != 0 && !t->plan.is_tcp)
		return "flood: with protocol=tcp only";
	if (t->size != 0 && t->size < GEN_SIZE_MIN)
		return "size: 0 or 64 to 1518";
	if (t->window == 0 && t->rate_pps == 0)
		return "rate: needed where window is 0";
	return NULL;
}

int gen_trial_parse(char *line, struct gen_trial *out, char complaint[GEN_COMPLAINT_MAX])
{
	char *rest = NULL;
	const char *wrong;

	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < gen_trial_n_words; i++)
		store(out, &gen_trial_words[i], gen_trial_words[i].value);
	for (char *text = strtok_r(line, " \t\r\n", &rest); text != NULL;
	     text = strtok_r(NULL, " \t\r\n", &rest))
		if (take_word(text, out, complaint) != 0)
			return -EINVAL;
	wrong = judge(out);
	if (wrong == NULL)
		return 0;
	snprintf(complaint, GEN_COMPLAINT_MAX, "%s", wrong);
	return -EINVAL;
}

uint32_t gen_trial_size(const struct gen_trial *trial, uint32_t idx)
{
	static const uint32_t imix[GEN_SIZES] = {64, 594, 1518};
	uint32_t size = trial->size != 0 ? trial->size : imix[idx];

	return size < trial->largest ? size : trial->largest;
}

uint32_t gen_trial_size_idx(uint64_t n)
{
	static const uint8_t order[] = {0, 1, 0, 1, 0, 2, 0, 1, 0, 1, 0, 0};

	return order[n % sizeof(order)];
}
