#include "steer_plan.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lb/error.h"

#define PORTS 65536u

static int compare_blocks(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct lb_steer_block_key));
}

static int compare_addrs(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct lb_steer_addr_key));
}

/* An aligned block begins at `first` and ends at or before `last`: the widest such one. */
static uint32_t widest_block(uint32_t first, uint32_t last)
{
	uint32_t size = first == 0 ? PORTS : first & -first;

	while (first + size - 1 > last)
		size /= 2;
	return size;
}

static size_t count_blocks(struct lb_port_range ports)
{
	uint32_t first = ports.first;
	size_t n = 0;

	for (; first <= ports.last; n++)
		first += widest_block(first, ports.last);
	return n;
}

static uint32_t rule_protocols(const struct lb_steer_rule *rule)
{
	if (rule->kind == LB_STEER_LOCAL)
		return 0;
	if (rule->kind == LB_STEER_NAT_SOURCE)
		return 1u << LB_STEER_TCP | 1u << LB_STEER_UDP;
	return rule->protocol == IPPROTO_UDP ? 1u << LB_STEER_UDP : 1u << LB_STEER_TCP;
}

/* Writes the rule's blocks to `out` unless it is NULL; returns how many there are. */
static size_t expand_rule(const struct lb_steer_rule *rule, struct lb_steer_block_key *out)
{
	uint32_t protocols = rule_protocols(rule);
	size_t n = 0;

	for (uint8_t proto = 0; proto < LB_STEER_PROTO_N; proto++) {
		uint32_t first = rule->ports.first, size;

		if ((protocols & 1u << proto) == 0)
			continue;
		if (out == NULL) {
			n += count_blocks(rule->ports);
			continue;
		}
		for (; first <= rule->ports.last; first += size, n++) {
			struct lb_steer_block_key *key = &out[n];

			size = widest_block(first, rule->ports.last);
			memset(key, 0, sizeof(*key));
			memcpy(key->addr_be, rule->addr.word_be, sizeof(key->addr_be));
			key->port = (uint16_t)first;
			key->bits = (uint8_t)(16 - __builtin_ctz(size));
			key->proto = proto;
			key->side = rule->kind == LB_STEER_REPLY ? LB_STEER_FROM : LB_STEER_TO;
		}
	}
	return n;
}

static size_t unique(void *array, size_t n, size_t size)
{
	char *at = array;
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (kept > 0 && memcmp(at + (kept - 1) * size, at + i * size, size) == 0)
			continue;
		memmove(at + kept * size, at + i * size, size);
		kept++;
	}
	return kept;
}

static void *new_array(size_t n, size_t size)
{
	return calloc(n > 0 ? n : 1, size);
}

/* The address entries that sorted, unique blocks and sorted, unique locals need. A block's key
 * begins with its address, so both lists are merged in one walk. */
static int derive_addrs(struct lb_steer_plan *plan, const struct lb_steer_addr_key *locals,
			size_t n_locals)
{
	size_t b = 0, l = 0;

	plan->addrs = new_array(plan->n_blocks + n_locals, sizeof(*plan->addrs));
	if (plan->addrs == NULL)
		return -ENOMEM;
	while (b < plan->n_blocks || l < n_locals) {
		struct lb_steer_plan_addr *a = &plan->addrs[plan->n_addrs++];
		bool from_local = b == plan->n_blocks ||
				  (l < n_locals && compare_addrs(&locals[l], &plan->blocks[b]) < 0);

		memcpy(&a->key, from_local ? (const void *)&locals[l] : &plan->blocks[b],
		       sizeof(a->key));
		for (; b < plan->n_blocks && compare_addrs(&a->key, &plan->blocks[b]) == 0; b++) {
			const struct lb_steer_block_key *key = &plan->blocks[b];

			a->value.sizes[key->side][key->proto] |= 1u << key->bits;
		}
		for (; l < n_locals && compare_addrs(&a->key, &locals[l]) == 0; l++)
			a->value.is_local = 1;
	}
	return 0;
}

static int check_limits(const struct lb_steer_plan *plan, struct lb_error *err)
{
	if (plan->n_blocks > LB_STEER_BLOCKS_MAX)
		return lb_error_set(
			err, -E2BIG, "",
			"services, NAT sources and real servers need %zu port blocks in "
			"the kernel, at most %d are possible",
			plan->n_blocks, LB_STEER_BLOCKS_MAX);
	if (plan->n_addrs > LB_STEER_ADDRS_MAX)
		return lb_error_set(err, -E2BIG, "",
				    "services, NAT sources and real servers have %zu addresses, at "
				    "most %d are possible in the kernel",
				    plan->n_addrs, LB_STEER_ADDRS_MAX);
	return 0;
}

int lb_steer_plan_init(struct lb_steer_plan *out, const struct lb_steer_rule *rules, size_t n,
		       struct lb_error *err)
{
	struct lb_steer_addr_key *locals;
	size_t n_blocks = 0, n_locals = 0;
	int rc = -ENOMEM;

	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < n; i++)
		n_blocks += expand_rule(&rules[i], NULL);
	locals = new_array(n, sizeof(*locals));
	out->blocks = new_array(n_blocks, sizeof(*out->blocks));
	if (locals == NULL || out->blocks == NULL)
		goto out;
	for (size_t i = 0; i < n; i++) {
		if (rules[i].kind == LB_STEER_LOCAL)
			memcpy(&locals[n_locals++], &rules[i].addr, sizeof(*locals));
		out->n_blocks += expand_rule(&rules[i], &out->blocks[out->n_blocks]);
	}
	qsort(locals, n_locals, sizeof(*locals), compare_addrs);
	n_locals = unique(locals, n_locals, sizeof(*locals));
	qsort(out->blocks, out->n_blocks, sizeof(*out->blocks), compare_blocks);
	out->n_blocks = unique(out->blocks, out->n_blocks, sizeof(*out->blocks));
	rc = derive_addrs(out, locals, n_locals);
	if (rc == 0)
		rc = check_limits(out, err);
out:
	if (rc == -ENOMEM)
		lb_error_set(err, rc, "", "no memory for the steering rules");
	free(locals);
	if (rc != 0)
		lb_steer_plan_fini(out);
	return rc;
}

void lb_steer_plan_fini(struct lb_steer_plan *plan)
{
	free(plan->addrs);
	free(plan->blocks);
	memset(plan, 0, sizeof(*plan));
}

struct sorted {
	const void *items;
	size_t n;
};

/* Merges two sorted lists; keeps what both have, or with `either` what any has. */
static size_t merge(void *out, struct sorted a, struct sorted b, size_t size, bool either)
{
	const char *x = a.items, *y = b.items;
	size_t n_a = a.n, n_b = b.n;
	char *at = out;

	while (n_a > 0 || n_b > 0) {
		int order = n_a == 0 ? 1 : n_b == 0 ? -1 : memcmp(x, y, size);

		if (order == 0 || either) {
			memcpy(at, order <= 0 ? x : y, size);
			at += size;
		}
		if (order <= 0) {
			x += size;
			n_a--;
		}
		if (order >= 0) {
			y += size;
			n_b--;
		}
	}
	return (size_t)(at - (char *)out) / size;
}

static size_t list_locals(const struct lb_steer_plan *plan, struct lb_steer_addr_key *out)
{
	size_t n = 0;

	for (size_t i = 0; i < plan->n_addrs; i++)
		if (plan->addrs[i].value.is_local)
			out[n++] = plan->addrs[i].key;
	return n;
}

static int combine(struct lb_steer_plan *out, const struct lb_steer_plan *a,
		   const struct lb_steer_plan *b, bool either)
{
	struct lb_steer_addr_key *locals = new_array(2 * (a->n_addrs + b->n_addrs),
						     sizeof(*locals));
	struct lb_steer_addr_key *merged;
	size_t n_a, n_b, n;
	int rc = -ENOMEM;

	memset(out, 0, sizeof(*out));
	out->blocks = new_array(a->n_blocks + b->n_blocks, sizeof(*out->blocks));
	if (locals == NULL || out->blocks == NULL)
		goto out;
	out->n_blocks = merge(out->blocks, (struct sorted){a->blocks, a->n_blocks},
			      (struct sorted){b->blocks, b->n_blocks}, sizeof(*out->blocks),
			      either);
	n_a = list_locals(a, locals);
	n_b = list_locals(b, locals + n_a);
	merged = locals + n_a + n_b;
	n = merge(merged, (struct sorted){locals, n_a}, (struct sorted){locals + n_a, n_b},
		  sizeof(*locals), either);
	rc = derive_addrs(out, merged, n);
out:
	free(locals);
	if (rc != 0)
		lb_steer_plan_fini(out);
	return rc;
}

int lb_steer_plan_common(struct lb_steer_plan *out, const struct lb_steer_plan *a,
			 const struct lb_steer_plan *b)
{
	return combine(out, a, b, false);
}

int lb_steer_plan_union(struct lb_steer_plan *out, const struct lb_steer_plan *a,
			const struct lb_steer_plan *b, struct lb_error *err)
{
	int rc = combine(out, a, b, true);

	if (rc == 0)
		rc = check_limits(out, err);
	if (rc == -E2BIG)
		lb_steer_plan_fini(out);
	return rc;
}
