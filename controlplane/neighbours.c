#include "neighbours.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

#define RESOLVED_STATES \
	(NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE)

struct lb_neighbours {
	struct lb_rtnl *nl;
	struct lb_paths *paths;
	const struct lb_link *links;
	size_t n_links;
	bool is_seen[LB_NEXT_HOP_LEARNED]; /* by the dump under way */
	/* Permanent or managed by others: asking for them with our flags would change them. */
	bool is_theirs[LB_NEXT_HOP_LEARNED];
	/* Said to have failed; a removal says so too, just before the entry goes. Looked at again
	 * when the changes settle. */
	bool is_suspect[LB_NEXT_HOP_LEARNED];
	uint64_t resolve_ms[LB_NEXT_HOP_LEARNED];
	bool is_unmanaged; /* this kernel has no managed neighbours */
	bool has_managed;  /* it was seen to have them */
	int error;
};

/* A neighbour message, read. */
struct neighbour {
	struct lb_addr addr;
	uint32_t ifindex;
	uint16_t state;
	uint8_t protocol;
	bool is_managed;
	bool has_mac;
	uint8_t mac[6];
};

int lb_neighbours_create(struct lb_neighbours **out, struct lb_rtnl *nl, struct lb_paths *paths,
			 const struct lb_link *links, size_t n_links)
{
	struct lb_neighbours *nb = calloc(1, sizeof(*nb));

	*out = nb;
	if (nb == NULL)
		return -ENOMEM;
	nb->nl = nl;
	nb->paths = paths;
	nb->links = links;
	nb->n_links = n_links;
	return 0;
}

void lb_neighbours_destroy(struct lb_neighbours *nb)
{
	free(nb);
}

static int parse_attr(const struct nlattr *attr, void *data)
{
	struct neighbour *n = data;

	switch (mnl_attr_get_type(attr)) {
	case NDA_DST:
		(void)lb_rtnl_get_addr(attr, &n->addr);
		break;
	case NDA_LLADDR:
		n->has_mac = mnl_attr_get_payload_len(attr) == sizeof(n->mac);
		if (n->has_mac)
			memcpy(n->mac, mnl_attr_get_payload(attr), sizeof(n->mac));
		break;
	case NDA_PROTOCOL:
		if (mnl_attr_get_payload_len(attr) == 1)
			n->protocol = mnl_attr_get_u8(attr);
		break;
	case NDA_FLAGS_EXT:
		if (mnl_attr_get_payload_len(attr) == 4)
			n->is_managed = (mnl_attr_get_u32(attr) & NTF_EXT_MANAGED) != 0;
		break;
	default:
		break;
	}
	return MNL_CB_OK;
}

static bool parse(const struct nlmsghdr *msg, struct neighbour *out)
{
	const struct ndmsg *nd = mnl_nlmsg_get_payload(msg);

	memset(out, 0, sizeof(*out));
	if (msg->nlmsg_len < mnl_nlmsg_size(sizeof(*nd)))
		return false;
	if (nd->ndm_family != AF_INET && nd->ndm_family != AF_INET6)
		return false;
	out->ifindex = (uint32_t)nd->ndm_ifindex;
	out->state = nd->ndm_state;
	mnl_attr_parse(msg, sizeof(*nd), parse_attr, out);
	return !lb_addr_is_zero(&out->addr);
}

static uint32_t iface_of(const struct lb_neighbours *nb, uint32_t ifindex)
{
	for (uint32_t i = 0; i < nb->n_links; i++)
		if (nb->links[i].ifindex == ifindex && ifindex != 0)
			return i;
	return UINT32_MAX;
}

/* Only an answer or its final absence is news. An entry that is being asked for, or that was taken
 * away (a flush, a lost carrier), keeps what was known: the machine behind it has not failed. */
static void apply(struct lb_neighbours *nb, const struct neighbour *n)
{
	uint32_t iface = iface_of(nb, n->ifindex);

	if (iface == UINT32_MAX)
		return;
	if (n->has_mac && (n->state & RESOLVED_STATES) != 0)
		lb_paths_set_mac(nb->paths, iface, &n->addr, n->mac);
	else if ((n->state & NUD_FAILED) != 0)
		lb_paths_set_mac(nb->paths, iface, &n->addr, NULL);
}

/* --- requests --- */

static struct nlmsghdr *neighbour_message(char *buf, uint16_t type, uint16_t flags,
					  uint32_t ifindex, const struct lb_addr *addr)
{
	struct nlmsghdr *msg;
	struct ndmsg *nd;
	void *header;

	msg = lb_rtnl_message(buf, type, flags, &header, sizeof(*nd));
	nd = header;
	nd->ndm_family = lb_rtnl_family(addr);
	nd->ndm_ifindex = (int)ifindex;
	lb_rtnl_put_addr(msg, NDA_DST, addr);
	return msg;
}

static void on_answer(void *ctx, const struct nlmsghdr *msg)
{
	struct neighbour n;

	if (msg->nlmsg_type == RTM_NEWNEIGH && parse(msg, &n))
		*(struct neighbour *)ctx = n;
}

/* The kernel's entry now; false: there is none. */
static bool ask(struct lb_neighbours *nb, const struct lb_path_hop *hop, struct neighbour *out)
{
	char buf[LB_RTNL_REQUEST_MAX];

	memset(out, 0, sizeof(*out));
	return lb_rtnl_request(nb->nl,
			       neighbour_message(buf, RTM_GETNEIGH, 0,
						 nb->links[hop->iface].ifindex, &hop->addr),
			       on_answer, out) == 0 &&
	       out->ifindex != 0;
}

/* Makes the kernel resolve the next hop, and keep it resolved where it can. */
static int keep(struct lb_neighbours *nb, const struct lb_path_hop *hop, bool with_mark)
{
	char buf[LB_RTNL_REQUEST_MAX];
	struct nlmsghdr *msg = neighbour_message(buf, RTM_NEWNEIGH, NLM_F_CREATE,
						 nb->links[hop->iface].ifindex, &hop->addr);
	struct ndmsg *nd = mnl_nlmsg_get_payload(msg);

	nd->ndm_flags = NTF_USE;
	if (with_mark) {
		mnl_attr_put_u8(msg, NDA_PROTOCOL, LB_RTNL_PROTOCOL);
		mnl_attr_put_u32(msg, NDA_FLAGS_EXT, NTF_EXT_MANAGED);
	}
	return lb_rtnl_request(nb->nl, msg, NULL, NULL);
}

static void let_go(struct lb_neighbours *nb, uint32_t ifindex, const struct lb_addr *addr)
{
	char buf[LB_RTNL_REQUEST_MAX];

	(void)lb_rtnl_request(nb->nl, neighbour_message(buf, RTM_DELNEIGH, 0, ifindex, addr), NULL,
			      NULL);
}

static void log_refusal(struct lb_neighbours *nb, const struct lb_path_hop *hop, int rc)
{
	char text[LB_ADDR_TEXT_MAX];

	/* Every next hop would say the same. */
	if (nb->error == rc)
		return;
	nb->error = rc;
	lb_log(LB_LOG_WARNING, "netlink", "neighbour_refused address=%s netdev=%s error=\"%s\"%s",
	       lb_addr_format(&hop->addr, text), nb->links[hop->iface].netdev, strerror(-rc),
	       rc == -ENOBUFS ? " hint=\"raise net.ipv4.neigh.default.gc_thresh3\"" : "");
}

static void adopt_hop(struct lb_neighbours *nb, uint32_t id, struct lb_path_hop *hop)
{
	struct neighbour n;
	bool is_there = ask(nb, hop, &n);
	int rc;

	hop->is_asked = true;
	nb->is_theirs[id] = is_there && n.protocol != LB_RTNL_PROTOCOL &&
			    (n.is_managed || (n.state & (NUD_PERMANENT | NUD_NOARP)) != 0);
	if (!nb->is_theirs[id]) {
		rc = keep(nb, hop, true);
		if (rc != 0)
			log_refusal(nb, hop, rc);
		else
			nb->error = 0;
		hop->is_managed = rc == 0;
		is_there = ask(nb, hop, &n);
		if (rc == 0 && is_there && !nb->has_managed) {
			nb->has_managed = n.is_managed;
			nb->is_unmanaged = !n.is_managed;
		}
	}
	if (is_there)
		apply(nb, &n);
}

static bool is_usable(const struct lb_neighbours *nb, const struct lb_path_hop *hop)
{
	const struct lb_link *link = &nb->links[hop->iface];

	return link->ifindex != 0 && link->is_up && !hop->is_static;
}

static void check_suspect(struct lb_neighbours *nb, struct lb_path_hop *hop)
{
	struct neighbour n;

	if (ask(nb, hop, &n)) {
		apply(nb, &n);
		return;
	}
	hop->is_managed = false;
	hop->is_asked = false;
}

void lb_neighbours_manage(struct lb_neighbours *nb)
{
	for (uint32_t id = 1; id < lb_paths_hops_end(nb->paths); id++) {
		struct lb_path_hop *hop = lb_paths_hop(nb->paths, id);

		if (!hop->in_use && hop->is_managed) {
			let_go(nb, nb->links[hop->iface].ifindex, &hop->addr);
			hop->is_managed = false;
		}
		if (hop->in_use && nb->is_suspect[id])
			check_suspect(nb, hop);
		nb->is_suspect[id] = false;
		if (hop->in_use && !hop->is_asked && is_usable(nb, hop))
			adopt_hop(nb, id, hop);
	}
}

void lb_neighbours_resolve(struct lb_neighbours *nb, uint32_t id, uint64_t now_ms)
{
	struct lb_path_hop *hop = lb_paths_hop(nb->paths, id);

	if (hop == NULL || !hop->in_use || !is_usable(nb, hop) || nb->is_theirs[id])
		return;
	if (nb->resolve_ms[id] != 0 && now_ms - nb->resolve_ms[id] < LB_NEIGHBOURS_RESOLVE_MS)
		return;
	nb->resolve_ms[id] = now_ms;
	/* Without the mark the kernel would take it for "no longer managed". */
	(void)keep(nb, hop, hop->is_managed);
}

bool lb_neighbours_needs_probes(const struct lb_neighbours *nb)
{
	return nb->is_unmanaged;
}

void lb_neighbours_probe(struct lb_neighbours *nb, uint64_t now_ms)
{
	for (uint32_t id = 1; id < lb_paths_hops_end(nb->paths); id++)
		lb_neighbours_resolve(nb, id, now_ms);
}

void lb_neighbours_release(struct lb_neighbours *nb)
{
	for (uint32_t id = 1; id < lb_paths_hops_end(nb->paths); id++) {
		struct lb_path_hop *hop = lb_paths_hop(nb->paths, id);

		if (hop->is_managed)
			let_go(nb, nb->links[hop->iface].ifindex, &hop->addr);
		hop->is_managed = false;
	}
}

int lb_neighbours_error(const struct lb_neighbours *nb)
{
	return nb->error;
}

/* --- the mirror --- */

/* The next hop that a neighbour is, NULL: none of ours. */
static struct lb_path_hop *hop_of(const struct lb_neighbours *nb, const struct neighbour *n,
				  uint32_t *id)
{
	uint32_t iface = iface_of(nb, n->ifindex);

	*id = iface == UINT32_MAX ? LB_NEXT_HOP_NONE : lb_paths_find(nb->paths, iface, &n->addr);
	return *id == LB_NEXT_HOP_NONE ? NULL : lb_paths_hop(nb->paths, *id);
}

bool lb_neighbours_message(struct lb_neighbours *nb, const struct nlmsghdr *msg)
{
	struct lb_path_hop *hop;
	struct neighbour n;
	uint32_t id;

	if (!parse(msg, &n))
		return false;
	hop = hop_of(nb, &n, &id);
	if (hop == NULL)
		return false;
	nb->is_seen[id] = msg->nlmsg_type == RTM_NEWNEIGH;
	if (msg->nlmsg_type == RTM_NEWNEIGH && (n.state & NUD_FAILED) != 0) {
		nb->is_suspect[id] = true;
		return true;
	}
	nb->is_suspect[id] = false;
	if (msg->nlmsg_type == RTM_NEWNEIGH) {
		apply(nb, &n);
		return hop->is_changed;
	}
	hop->is_managed = false;
	hop->is_asked = false;
	return true;
}

void lb_neighbours_begin(struct lb_neighbours *nb)
{
	memset(nb->is_seen, 0, sizeof(nb->is_seen));
}

void lb_neighbours_row(struct lb_neighbours *nb, const struct nlmsghdr *msg)
{
	struct neighbour n;
	uint32_t id;

	if (msg->nlmsg_type != RTM_NEWNEIGH || !parse(msg, &n))
		return;
	if (hop_of(nb, &n, &id) != NULL) {
		nb->is_seen[id] = true;
		apply(nb, &n);
	} else if (n.protocol == LB_RTNL_PROTOCOL && iface_of(nb, n.ifindex) != UINT32_MAX) {
		let_go(nb, n.ifindex, &n.addr);
	}
}

void lb_neighbours_end(struct lb_neighbours *nb)
{
	for (uint32_t id = 1; id < lb_paths_hops_end(nb->paths); id++) {
		struct lb_path_hop *hop = lb_paths_hop(nb->paths, id);

		if (!hop->in_use || nb->is_seen[id] || !hop->is_asked)
			continue;
		hop->is_managed = false;
		hop->is_asked = false;
	}
}
