#include "addresses_state.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "announce.h"
#include "log.h"

int lb_addresses_create(struct lb_addresses **out)
{
	*out = calloc(1, sizeof(**out));
	if (*out == NULL)
		return -ENOMEM;
	(*out)->phase = LB_ADDRESSES_DONE;
	return 0;
}

void lb_addresses_destroy(struct lb_addresses *a)
{
	if (a == NULL)
		return;
	free(a->now.list);
	free(a->next.list);
	free(a->locals);
	free(a->entries);
	free(a);
}

int lb_addresses_compare(const void *x, const void *y)
{
	const struct lb_addresses_entry *p = x, *q = y;

	if (p->ifindex != q->ifindex)
		return p->ifindex < q->ifindex ? -1 : 1;
	return memcmp(&p->addr, &q->addr, sizeof(p->addr));
}

bool lb_addresses_holds(const struct lb_addresses *a, const struct lb_addr *addr, uint32_t ifindex)
{
	struct lb_addresses_entry wanted = {.addr = *addr, .ifindex = ifindex};
	const struct lb_addresses_entry *found = NULL;

	if (a->n_entries > 0)
		found = bsearch(&wanted, a->entries, a->n_entries, sizeof(wanted),
				lb_addresses_compare);
	return found != NULL && found->is_held;
}

void lb_addresses_tell(struct lb_addresses *a, struct lb_announcer *announcer)
{
	a->announcer = announcer;
}

void lb_addresses_announce(const struct lb_addresses *a, const struct lb_link *link)
{
	for (size_t i = 0; a->announcer != NULL && i < a->n_entries; i++)
		if (a->entries[i].is_held && a->entries[i].ifindex == link->ifindex)
			lb_announcer_add(a->announcer, &a->entries[i].addr, link->ifindex,
					 link->mac);
}

static void announce(struct lb_addresses *a, const struct lb_addresses_entry *e,
		     const struct lb_link *links)
{
	for (size_t l = 0; a->announcer != NULL && l < LB_IFACES_MAX; l++)
		if (links[l].ifindex == e->ifindex) {
			lb_announcer_add(a->announcer, &e->addr, e->ifindex, links[l].mac);
			return;
		}
}

/* The wanted ones that we have to hold, sorted, each once. */
static size_t list_wanted(const struct lb_addresses *a, const struct lb_link *links,
			  const struct lb_wanted_addr *wanted, size_t n,
			  struct lb_addresses_entry *out)
{
	size_t n_out = 0, kept = 0;

	for (size_t i = 0; i < n; i++) {
		const struct lb_link *link = &links[wanted[i].iface];

		if (link->ifindex == 0 || lb_addresses_is_foreign(a, &wanted[i].addr))
			continue;
		out[n_out++] = (struct lb_addresses_entry){
			.addr = wanted[i].addr, .ifindex = link->ifindex, .todo = LB_ADDRESSES_ADD};
	}
	qsort(out, n_out, sizeof(*out), lb_addresses_compare);
	for (size_t i = 0; i < n_out; i++)
		if (kept == 0 || lb_addresses_compare(&out[kept - 1], &out[i]) != 0)
			out[kept++] = out[i];
	return kept;
}

/* What is held and what is wanted, both sorted, into one list. */
static size_t merge(const struct lb_addresses *a, const struct lb_addresses_entry *want,
		    size_t n_want, struct lb_addresses_entry *out)
{
	size_t n = 0, w = 0;

	for (size_t i = 0; i < a->n_entries; i++) {
		struct lb_addresses_entry held = a->entries[i];

		if (!held.is_held)
			continue;
		while (w < n_want && lb_addresses_compare(&want[w], &held) < 0)
			out[n++] = want[w++];
		held.todo = LB_ADDRESSES_REMOVE;
		if (w < n_want && lb_addresses_compare(&want[w], &held) == 0) {
			held.todo = held.is_missing ? LB_ADDRESSES_ADD : LB_ADDRESSES_DONE;
			w++;
		}
		out[n++] = held;
	}
	while (w < n_want)
		out[n++] = want[w++];
	return n;
}

int lb_addresses_want(struct lb_addresses *a, const struct lb_link *links,
		      const struct lb_wanted_addr *wanted, size_t n)
{
	struct lb_addresses_entry *want = calloc(n + 1, sizeof(*want));
	struct lb_addresses_entry *entries = calloc(a->n_entries + n + 1, sizeof(*entries));

	if (want == NULL || entries == NULL) {
		free(want);
		free(entries);
		return -ENOMEM;
	}
	a->n_entries = merge(a, want, list_wanted(a, links, wanted, n, want), entries);
	free(want);
	free(a->entries);
	a->entries = entries;
	a->phase = LB_ADDRESSES_REMOVE;
	a->at = 0;
	a->n_left = 0;
	a->n_refused = 0;
	a->error = 0;
	for (size_t i = 0; i < a->n_entries; i++)
		a->n_left += entries[i].todo != LB_ADDRESSES_DONE;
	return 0;
}

/* --- a pass --- */

static void put_request(struct lb_rtnl_batch *batch, uint16_t type,
			const struct lb_addresses_entry *e)
{
	/* Deprecated: the kernel does not choose it as the source of its own connections, whose
	 * replies would end in a worker. (IPv4 has no such thing; there the netdev's first
	 * address is chosen, which is not ours.) */
	const struct ifa_cacheinfo lifetime = {.ifa_prefered = 0, .ifa_valid = UINT32_MAX};
	struct ifaddrmsg *ifa;
	struct nlmsghdr *msg;
	void *header;

	msg = lb_rtnl_batch_next(batch, type, type == RTM_NEWADDR ? NLM_F_CREATE | NLM_F_EXCL : 0,
				 &header, sizeof(*ifa));
	ifa = header;
	ifa->ifa_family = lb_rtnl_family(&e->addr);
	ifa->ifa_index = e->ifindex;
	ifa->ifa_prefixlen = ifa->ifa_family == AF_INET ? 32 : 128;
	ifa->ifa_scope = RT_SCOPE_UNIVERSE;
	lb_rtnl_put_addr(msg, IFA_LOCAL, &e->addr);
	lb_rtnl_put_addr(msg, IFA_ADDRESS, &e->addr);
	if (type == RTM_NEWADDR) {
		mnl_attr_put_u8(msg, IFA_PROTO, LB_RTNL_PROTOCOL);
		if (ifa->ifa_family == AF_INET6) {
			/* Nor a route to itself in the main table, where ours are mirrored. */
			mnl_attr_put_u32(msg, IFA_FLAGS, IFA_F_NODAD | IFA_F_NOPREFIXROUTE);
			mnl_attr_put(msg, IFA_CACHEINFO, sizeof(lifetime), &lifetime);
		}
	}
}

static void log_refusal(const char *what, const struct lb_addresses_entry *e, int rc)
{
	char text[LB_ADDR_TEXT_MAX];

	lb_log(LB_LOG_WARNING, "netlink", "%s address=%s ifindex=%u error=\"%s\"", what,
	       lb_addr_format(&e->addr, text), e->ifindex, strerror(-rc));
}

static void note_removal(struct lb_addresses_entry *e, int rc)
{
	e->is_held = false;
	e->is_missing = false;
	if (rc != 0 && rc != -EADDRNOTAVAIL && rc != -ENODEV)
		log_refusal("address_not_removed", e, rc);
}

static void note_addition(struct lb_addresses *a, struct lb_addresses_entry *e,
			  const struct lb_link *links, int rc)
{
	e->is_missing = false;
	e->is_due = false;
	if (rc == -EEXIST)
		return; /* still there; or somebody was faster: theirs */
	e->is_held = rc == 0;
	if (rc == 0) {
		announce(a, e, links);
		return;
	}
	log_refusal("address_refused", e, rc);
	a->error = rc;
	a->n_refused++;
}

/* One call to the kernel, of at most `max` requests of the phase; returns how many. */
static size_t send_some(struct lb_addresses *a, struct lb_rtnl *nl, const struct lb_link *links,
			size_t max)
{
	uint16_t type = a->phase == LB_ADDRESSES_REMOVE ? RTM_DELADDR : RTM_NEWADDR;
	struct lb_addresses_entry *asked[LB_RTNL_BATCH_MAX];
	int results[LB_RTNL_BATCH_MAX], rc;
	size_t n = 0;

	for (; a->at < a->n_entries && n < max && n < LB_RTNL_BATCH_MAX; a->at++) {
		struct lb_addresses_entry *e = &a->entries[a->at];

		if (e->todo != a->phase)
			continue;
		put_request(&a->batch, type, e);
		e->todo = LB_ADDRESSES_DONE;
		asked[n++] = e;
	}
	rc = lb_rtnl_batch_send(nl, &a->batch, results);
	for (size_t i = 0; i < n; i++)
		if (a->phase == LB_ADDRESSES_REMOVE)
			note_removal(asked[i], rc != 0 ? rc : results[i]);
		else
			note_addition(a, asked[i], links, rc != 0 ? rc : results[i]);
	return n;
}

bool lb_addresses_step(struct lb_addresses *a, struct lb_rtnl *nl, const struct lb_link *links,
		       size_t max)
{
	while (a->phase != LB_ADDRESSES_DONE && max > 0) {
		size_t n = send_some(a, nl, links, max);

		a->n_asked += n;
		a->n_left -= n;
		max -= n;
		if (a->at == a->n_entries) {
			a->phase++;
			a->at = 0;
		}
	}
	return a->n_left > 0;
}

size_t lb_addresses_left(const struct lb_addresses *a)
{
	return a->n_left;
}

size_t lb_addresses_refused(const struct lb_addresses *a, int *error)
{
	*error = a->error;
	return a->n_refused;
}

uint64_t lb_addresses_asked(const struct lb_addresses *a)
{
	return a->n_asked;
}

size_t lb_addresses_missing(const struct lb_addresses *a)
{
	size_t n = 0;

	for (size_t i = 0; i < a->n_entries; i++)
		n += a->entries[i].is_missing;
	return n;
}

size_t lb_addresses_held(const struct lb_addresses *a)
{
	size_t n = 0;

	for (size_t i = 0; i < a->n_entries; i++)
		n += a->entries[i].is_held;
	return n;
}

bool lb_addresses_are_marked(const struct lb_addresses *a)
{
	return !a->are_unmarked;
}
