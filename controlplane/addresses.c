#include "addresses.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "announce.h"
#include "log.h"

struct row {
	struct lb_addr addr;
	uint32_t ifindex;
	uint8_t prefix_len;
	uint8_t protocol;
};

/* A pass over the entries: what is not wanted goes first. */
enum phase { PHASE_REMOVE, PHASE_ADD, PHASE_DONE };

struct entry {
	struct lb_addr addr;
	uint32_t ifindex;
	enum phase todo; /* in which phase of the pass; PHASE_DONE: in none */
	bool is_held;
	bool is_due;     /* held since before the dump under way began, which so has to have it */
	bool is_missing; /* and had not */
};

struct rows {
	struct row *list;
	size_t n;
	size_t room;
};

struct lb_addresses {
	struct rows now;  /* sorted by address */
	struct rows next; /* the dump under way */
	struct lb_addr *locals;
	size_t n_locals;
	size_t n_unused;
	struct entry *entries; /* held or wanted; sorted by netdev and address */
	size_t n_entries;
	enum phase phase;
	size_t at;
	size_t n_left;
	size_t n_refused;
	int error;
	uint64_t n_asked;
	struct lb_rtnl_batch batch;
	bool are_unmarked;
	struct lb_announcer *announcer; /* NULL: none */
};

int lb_addresses_create(struct lb_addresses **out)
{
	*out = calloc(1, sizeof(**out));
	if (*out == NULL)
		return -ENOMEM;
	(*out)->phase = PHASE_DONE;
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

/* --- the mirror --- */

void lb_addresses_begin(struct lb_addresses *a)
{
	a->next.n = 0;
	a->n_unused = 0;
	for (size_t i = 0; i < a->n_entries; i++)
		a->entries[i].is_due = a->entries[i].is_held;
}

static struct row *new_row(struct rows *rows)
{
	if (rows->n == rows->room) {
		size_t room = rows->room == 0 ? 64 : rows->room * 2;
		struct row *grown = reallocarray(rows->list, room, sizeof(*grown));

		if (grown == NULL)
			return NULL;
		rows->list = grown;
		rows->room = room;
	}
	return &rows->list[rows->n++];
}

struct parsed_row {
	struct row row;
	bool has_local;
};

static int parse_attr(const struct nlattr *attr, void *data)
{
	struct parsed_row *p = data;

	switch (mnl_attr_get_type(attr)) {
	case IFA_LOCAL: /* on a point-to-point netdev IFA_ADDRESS is the other end's */
		p->has_local = lb_rtnl_get_addr(attr, &p->row.addr);
		break;
	case IFA_ADDRESS:
		if (!p->has_local)
			(void)lb_rtnl_get_addr(attr, &p->row.addr);
		break;
	case IFA_PROTO:
		if (mnl_attr_get_payload_len(attr) == 1)
			p->row.protocol = mnl_attr_get_u8(attr);
		break;
	default:
		break;
	}
	return MNL_CB_OK;
}

void lb_addresses_row(struct lb_addresses *a, const struct nlmsghdr *msg)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(msg);
	struct parsed_row p = {0};
	struct row *row;

	if (msg->nlmsg_type != RTM_NEWADDR || msg->nlmsg_len < mnl_nlmsg_size(sizeof(*ifa)))
		return;
	p.row.ifindex = ifa->ifa_index;
	p.row.prefix_len = ifa->ifa_prefixlen;
	mnl_attr_parse(msg, sizeof(*ifa), parse_attr, &p);
	if (lb_addr_is_zero(&p.row.addr))
		return;
	row = a->next.n < LB_LOCALS_MAX ? new_row(&a->next) : NULL;
	if (row == NULL)
		a->n_unused++;
	else
		*row = p.row;
}

static int compare_rows(const void *x, const void *y)
{
	return memcmp(x, y, sizeof(struct lb_addr)); /* the first field of both */
}

static int compare_entries(const void *x, const void *y)
{
	const struct entry *p = x, *q = y;

	if (p->ifindex != q->ifindex)
		return p->ifindex < q->ifindex ? -1 : 1;
	return memcmp(&p->addr, &q->addr, sizeof(p->addr));
}

static bool is_held(const struct lb_addresses *a, const struct lb_addr *addr, uint32_t ifindex)
{
	struct entry wanted = {.addr = *addr, .ifindex = ifindex};
	const struct entry *found = NULL;

	if (a->n_entries > 0)
		found = bsearch(&wanted, a->entries, a->n_entries, sizeof(wanted), compare_entries);
	return found != NULL && found->is_held;
}

/* Address rows that we added, but that do not bear our mark: the kernel is too old for it. */
static void check_marks(struct lb_addresses *a)
{
	for (size_t i = 0; i < a->now.n && !a->are_unmarked; i++) {
		const struct row *row = &a->now.list[i];

		if (row->protocol != 0 || !is_held(a, &row->addr, row->ifindex))
			continue;
		a->are_unmarked = true;
		lb_log(LB_LOG_WARNING, "netlink",
		       "addresses_unmarked text=\"this kernel does not keep the mark of our "
		       "addresses (it is older than 5.18): they stay after a kill -9\"");
	}
}

/* Of a dump that had no room nobody knows what it lacks. */
static void note_missing(struct lb_addresses *a)
{
	for (size_t i = 0; i < a->n_entries; i++) {
		struct entry *e = &a->entries[i];

		e->is_missing = e->is_held && e->is_due && a->n_unused == 0 &&
				!lb_addresses_is_on(a, &e->addr, e->ifindex);
	}
}

bool lb_addresses_end(struct lb_addresses *a)
{
	struct rows last = a->now;
	struct lb_addr *locals;
	size_t n = 0;
	bool is_changed;

	a->now = a->next;
	a->next = last;
	if (a->now.n > 0)
		qsort(a->now.list, a->now.n, sizeof(*a->now.list), compare_rows);
	locals = calloc(a->now.n + 1, sizeof(*locals));
	if (locals == NULL)
		return false;
	for (size_t i = 0; i < a->now.n; i++)
		if (n == 0 || !lb_addr_equal(&locals[n - 1], &a->now.list[i].addr))
			locals[n++] = a->now.list[i].addr;
	is_changed = n != a->n_locals ||
		     (n > 0 && memcmp(locals, a->locals, n * sizeof(*locals)) != 0);
	free(a->locals);
	a->locals = locals;
	a->n_locals = n;
	check_marks(a);
	note_missing(a);
	return is_changed;
}

size_t lb_addresses_adopt(struct lb_addresses *a, const struct lb_link *links, size_t n_links)
{
	struct entry *entries = calloc(a->now.n + 1, sizeof(*entries));
	size_t n = 0;

	if (entries == NULL)
		return 0;
	for (size_t i = 0; i < a->now.n; i++) {
		const struct row *row = &a->now.list[i];

		if (row->protocol != LB_RTNL_PROTOCOL)
			continue;
		for (size_t l = 0; l < n_links; l++)
			if (links[l].ifindex != 0 && links[l].ifindex == row->ifindex) {
				entries[n++] = (struct entry){.addr = row->addr,
							      .ifindex = row->ifindex,
							      .todo = PHASE_DONE,
							      .is_held = true};
				break;
			}
	}
	qsort(entries, n, sizeof(*entries), compare_entries);
	free(a->entries);
	a->entries = entries;
	a->n_entries = n;
	return n;
}

const struct lb_addr *lb_addresses_locals(const struct lb_addresses *a, size_t *n)
{
	*n = a->n_locals;
	return a->locals;
}

/* The first of the rows with this address, which may be there several times; NULL: none is. */
static const struct row *find_rows(const struct lb_addresses *a, const struct lb_addr *addr)
{
	const struct row *found = NULL;

	if (a->now.n > 0)
		found = bsearch(addr, a->now.list, a->now.n, sizeof(*found), compare_rows);
	while (found != NULL && found > a->now.list && lb_addr_equal(&found[-1].addr, addr))
		found--;
	return found;
}

bool lb_addresses_is_on(const struct lb_addresses *a, const struct lb_addr *addr, uint32_t ifindex)
{
	const struct row *row = find_rows(a, addr);

	if (row == NULL)
		return false;
	for (; row < a->now.list + a->now.n && lb_addr_equal(&row->addr, addr); row++)
		if (row->ifindex == ifindex)
			return true;
	return false;
}

bool lb_addresses_is_foreign(const struct lb_addresses *a, const struct lb_addr *addr)
{
	const struct row *found = find_rows(a, addr);

	if (found == NULL)
		return false;
	for (; found < a->now.list + a->now.n && lb_addr_equal(&found->addr, addr); found++) {
		uint8_t whole = lb_addr_is_v4(addr) ? 32 : 128;

		if (found->protocol == LB_RTNL_PROTOCOL)
			continue;
		if (found->prefix_len != whole || !is_held(a, addr, found->ifindex))
			return true;
	}
	return false;
}

/* --- what we hold --- */

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

bool lb_addresses_holds(const struct lb_addresses *a, const struct lb_addr *addr, uint32_t ifindex)
{
	return is_held(a, addr, ifindex);
}

static void announce(struct lb_addresses *a, const struct entry *e, const struct lb_link *links)
{
	for (size_t l = 0; a->announcer != NULL && l < LB_IFACES_MAX; l++)
		if (links[l].ifindex == e->ifindex) {
			lb_announcer_add(a->announcer, &e->addr, e->ifindex, links[l].mac);
			return;
		}
}

/* The wanted ones that we have to hold, sorted, each once. */
static size_t list_wanted(const struct lb_addresses *a, const struct lb_link *links,
			  const struct lb_wanted_addr *wanted, size_t n, struct entry *out)
{
	size_t n_out = 0, kept = 0;

	for (size_t i = 0; i < n; i++) {
		const struct lb_link *link = &links[wanted[i].iface];

		if (link->ifindex == 0 || lb_addresses_is_foreign(a, &wanted[i].addr))
			continue;
		out[n_out++] = (struct entry){
			.addr = wanted[i].addr, .ifindex = link->ifindex, .todo = PHASE_ADD};
	}
	qsort(out, n_out, sizeof(*out), compare_entries);
	for (size_t i = 0; i < n_out; i++)
		if (kept == 0 || compare_entries(&out[kept - 1], &out[i]) != 0)
			out[kept++] = out[i];
	return kept;
}

/* What is held and what is wanted, both sorted, into one list. */
static size_t merge(const struct lb_addresses *a, const struct entry *want, size_t n_want,
		    struct entry *out)
{
	size_t n = 0, w = 0;

	for (size_t i = 0; i < a->n_entries; i++) {
		struct entry held = a->entries[i];

		if (!held.is_held)
			continue;
		while (w < n_want && compare_entries(&want[w], &held) < 0)
			out[n++] = want[w++];
		held.todo = PHASE_REMOVE;
		if (w < n_want && compare_entries(&want[w], &held) == 0) {
			held.todo = held.is_missing ? PHASE_ADD : PHASE_DONE;
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
	struct entry *want = calloc(n + 1, sizeof(*want));
	struct entry *entries = calloc(a->n_entries + n + 1, sizeof(*entries));

	if (want == NULL || entries == NULL) {
		free(want);
		free(entries);
		return -ENOMEM;
	}
	a->n_entries = merge(a, want, list_wanted(a, links, wanted, n, want), entries);
	free(want);
	free(a->entries);
	a->entries = entries;
	a->phase = PHASE_REMOVE;
	a->at = 0;
	a->n_left = 0;
	a->n_refused = 0;
	a->error = 0;
	for (size_t i = 0; i < a->n_entries; i++)
		a->n_left += entries[i].todo != PHASE_DONE;
	return 0;
}

/* --- a pass --- */

static void put_request(struct lb_rtnl_batch *batch, uint16_t type, const struct entry *e)
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

static void log_refusal(const char *what, const struct entry *e, int rc)
{
	char text[LB_ADDR_TEXT_MAX];

	lb_log(LB_LOG_WARNING, "netlink", "%s address=%s ifindex=%u error=\"%s\"", what,
	       lb_addr_format(&e->addr, text), e->ifindex, strerror(-rc));
}

static void note_removal(struct entry *e, int rc)
{
	e->is_held = false;
	e->is_missing = false;
	if (rc != 0 && rc != -EADDRNOTAVAIL && rc != -ENODEV)
		log_refusal("address_not_removed", e, rc);
}

static void note_addition(struct lb_addresses *a, struct entry *e, const struct lb_link *links,
			  int rc)
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
	uint16_t type = a->phase == PHASE_REMOVE ? RTM_DELADDR : RTM_NEWADDR;
	struct entry *asked[LB_RTNL_BATCH_MAX];
	int results[LB_RTNL_BATCH_MAX], rc;
	size_t n = 0;

	for (; a->at < a->n_entries && n < max && n < LB_RTNL_BATCH_MAX; a->at++) {
		struct entry *e = &a->entries[a->at];

		if (e->todo != a->phase)
			continue;
		put_request(&a->batch, type, e);
		e->todo = PHASE_DONE;
		asked[n++] = e;
	}
	rc = lb_rtnl_batch_send(nl, &a->batch, results);
	for (size_t i = 0; i < n; i++)
		if (a->phase == PHASE_REMOVE)
			note_removal(asked[i], rc != 0 ? rc : results[i]);
		else
			note_addition(a, asked[i], links, rc != 0 ? rc : results[i]);
	return n;
}

bool lb_addresses_step(struct lb_addresses *a, struct lb_rtnl *nl, const struct lb_link *links,
		       size_t max)
{
	while (a->phase != PHASE_DONE && max > 0) {
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

size_t lb_addresses_unused(const struct lb_addresses *a)
{
	return a->n_unused;
}

bool lb_addresses_are_marked(const struct lb_addresses *a)
{
	return !a->are_unmarked;
}
