/* An IPv6 reverse entry has no room for its server: its forward entry is found by what a client's
 * packet would carry. Every reply does this, so nothing is built or compared but what is needed. */
#include <netinet/in.h>

#include "steer/conn.h"
#include "steer/service_object.h"

/* The slot has a service. */
static void make_request_key(const struct lb_steer *st, const struct lb_conn *rev,
			     struct lb_key *key)
{
	memcpy(key->v6.src_be, rev->rev.client_be, sizeof(key->v6.src_be));
	memcpy(key->v6.dst_be, &st->services[rev->service]->vip, sizeof(key->v6.dst_be));
	key->v6.ports_be = lb_ports(rev->rev.client_port_be, rev->rev.vip_port_be);
	key->v6.proto = lb_conn_is_tcp(rev) ? IPPROTO_TCP : IPPROTO_UDP;
	key->is_v6 = true;
}

void lb_conn_prefetch_request6(const struct lb_steer *st, const struct lb_conn *rev)
{
	struct lb_key key;
	uint32_t hash;

	if (st->services[rev->service] == NULL)
		return;
	make_request_key(st, rev, &key);
	hash = lb_conn_hash(st->conn_table, &key);
	lb_conn_prefetch(st->conn_table, &key, hash);
	lb_conn_prefetch_second(st->conn_table, &key, hash);
}

/* Do packets that leave by `fwd` come back by `rev`? After an orphan it may be a later
 * connection. */
static bool leads_to(const struct lb_steer *st, const struct lb_conn *fwd,
		     const struct lb_conn *rev)
{
	const struct lb_conn_entry6 *entry = lb_conn_entry6_of(rev);
	const struct lb_real *real = &st->reals[fwd->fwd.real_id];
	rte_be16_t server_port = lb_ports_first(entry->key[8]);
	rte_be16_t our_port = lb_ports_second(entry->key[8]);

	if (memcmp(entry->key, &real->addr, sizeof(real->addr)) != 0 ||
	    server_port != (real->port_be != 0 ? real->port_be : rev->rev.vip_port_be))
		return false;
	if (fwd->fwd.nat_addr_id == 0)
		return memcmp(entry->key + 4, rev->rev.client_be, sizeof(real->addr)) == 0 &&
		       our_port == rev->rev.client_port_be;
	return memcmp(entry->key + 4, &st->nat_addrs[fwd->fwd.nat_addr_id], sizeof(real->addr)) ==
		       0 &&
	       our_port == fwd->fwd.nat_port_be;
}

struct lb_conn *lb_conn_request6(const struct lb_steer *st, const struct lb_conn *rev)
{
	struct lb_conn *fwd;
	struct lb_key key;

	make_request_key(st, rev, &key);
	fwd = lb_conn_lookup(st->conn_table, &key, lb_conn_hash(st->conn_table, &key));
	if (fwd == NULL || lb_conn_is_reply(fwd) || lb_conn_is_one_way(fwd) ||
	    fwd->service != rev->service || fwd->service_epoch != rev->service_epoch ||
	    st->reals[fwd->fwd.real_id].epoch != fwd->fwd.real_epoch)
		return NULL;
	return leads_to(st, fwd, rev) ? fwd : NULL;
}
