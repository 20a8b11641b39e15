#include "steer/conn_listing.h"

#include "packet/key.h"

static uint32_t n_buckets(const struct lb_steer *st)
{
	return lb_conn_n_buckets(st->conn_table, false) + lb_conn_n_buckets(st->conn_table, true);
}

void lb_conn_listing_start(struct lb_conn_listing *l, const struct lb_listing_query *query)
{
	*l = (struct lb_conn_listing){.query = *query, .at = query->bucket};
}

static bool matches(const struct lb_listing_query *q, const struct lb_conn *conn,
		    const struct lb_key *key)
{
	struct lb_addr client = lb_key_src(key);

	return (q->slot == UINT32_MAX || q->slot == conn->service) &&
	       (!q->has_src || lb_prefix_contains(&q->src, &client));
}

static void fill(const struct lb_steer *st, const struct lb_conn *conn, const struct lb_key *key,
		 uint64_t now_ms, struct lb_listing_record *out)
{
	struct lb_key to = *key;

	if (!lb_conn_is_one_way(conn) && key->is_v6)
		lb_conn_translate6(st, conn, &key->v6, &to.v6);
	else if (!lb_conn_is_one_way(conn))
		lb_conn_translate4(st, conn, &key->v4, &to.v4);
	*out = (struct lb_listing_record){
		.client = lb_key_src(key),
		.vip = lb_key_dst(key),
		.new_src = lb_key_src(&to),
		.client_port_be = lb_key_sport(key),
		.vip_port_be = lb_key_dport(key),
		.new_sport_be = lb_key_sport(&to),
		.proto = (uint8_t)lb_key_proto(key),
		.tcp_state = conn->state,
		.forwarding = conn->fwd.forwarding,
		.slot = conn->service,
		.real_id = conn->fwd.real_id,
		.idle_ms = (uint32_t)(uint16_t)(lb_tick(now_ms) - conn->last_tick)
			   << LB_TICK_SHIFT_MS,
		.timeout_ms = lb_conn_timeout_ticks(st, conn) << LB_TICK_SHIFT_MS,
	};
}

bool lb_conn_listing_next(struct lb_conn_listing *l, const struct lb_steer *st, uint64_t now_ms,
			  struct lb_listing_record out[2], uint32_t *n)
{
	uint32_t n_v4 = lb_conn_n_buckets(st->conn_table, false), n_entries;
	bool is_v6 = l->at >= n_v4;
	struct lb_conn *entries[2];

	*n = 0;
	if (l->at >= n_buckets(st) || l->n_told + 2 > l->query.limit ||
	    l->n_visited == LB_LISTING_BUCKETS_MAX)
		return false;
	n_entries = lb_conn_bucket(st->conn_table, is_v6, is_v6 ? l->at - n_v4 : l->at, entries);
	l->at++;
	l->n_visited++;
	for (uint32_t i = 0; i < n_entries; i++) {
		struct lb_key key;
		uint32_t real_id;

		if (lb_conn_is_reply(entries[i]) ||
		    !lb_conn_is_valid(st, entries[i], is_v6, &real_id))
			continue;
		lb_conn_key(entries[i], is_v6, &key);
		if (matches(&l->query, entries[i], &key))
			fill(st, entries[i], &key, now_ms, &out[(*n)++]);
	}
	l->n_told += *n;
	return true;
}

struct lb_listing_end lb_conn_listing_end(const struct lb_conn_listing *l,
					  const struct lb_steer *st)
{
	return (struct lb_listing_end){.bucket = l->at, .is_end = l->at >= n_buckets(st)};
}
