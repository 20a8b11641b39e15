#include "steer/conn.h"
#include "steer/service_object.h"
#include "steer/stateless.h"
#include "steer/tcp_track.h"

static uint32_t idle_ticks(const struct lb_conn *conn, uint64_t now_ms)
{
	return (uint16_t)(lb_tick(now_ms) - conn->last_tick);
}

static bool is_orphan(const struct lb_steer *st, const struct lb_conn *conn)
{
	const struct lb_service *svc = st->services[conn->service];
	const struct lb_real *real;

	if (svc == NULL || svc->epoch != conn->service_epoch)
		return true;
	if (lb_conn_is_reply(conn))
		return false;
	real = &st->reals[conn->fwd.real_id];
	return real->in_use == 0 || real->epoch != conn->fwd.real_epoch;
}

uint32_t lb_conn_record_expires_s(const struct lb_service *svc, uint64_t now_ms)
{
	uint32_t keep_s = svc->persist_timeout_ms / 1000;

	return (uint32_t)(now_ms / 1000) +
	       (keep_s > LB_RECORD_KEEP_MIN_S ? keep_s : LB_RECORD_KEEP_MIN_S);
}

/* A record must outlive the connections that followed it. */
static void refresh_record(struct lb_steer *st, const struct lb_conn *fwd, bool is_v6,
			   uint64_t now_ms)
{
	const struct lb_service *svc = st->services[fwd->service];
	struct lb_record_key record;
	struct lb_key key;
	uint32_t at;

	if (svc->group_id == 0 || st->persist == NULL)
		return;
	at = lb_service_find_machine(svc, st->reals[fwd->fwd.real_id].machine_id);
	if (at == UINT32_MAX)
		return;
	lb_conn_key(fwd, is_v6, &key);
	record = lb_persist_key_of(st->persist, svc->group_id, &key, svc->persist_len);
	lb_persist_refresh(st->persist, record, svc->servers[at].group_target_id,
			   (uint32_t)(now_ms / 1000), lb_conn_record_expires_s(svc, now_ms));
}

/* Routes have changed: a client behind a gateway takes the one that serves now; one on the link is
 * learnt again from its next packet. */
static void reroute(struct lb_steer *st, struct lb_conn *fwd, bool is_v6)
{
	const struct lb_route *route = NULL;
	uint32_t next_hop = LB_NEXT_HOP_NONE;
	struct lb_addr client;
	struct lb_key key;

	lb_conn_key(fwd, is_v6, &key);
	client = lb_key_src(&key);
	if (st->routes != NULL)
		route = lb_route_lookup(st->routes, &client);
	if (route != NULL)
		next_hop = route->next_hop;
	if (next_hop == LB_NEXT_HOP_NONE && fwd->client_next_hop >= LB_NEXT_HOP_LEARNED)
		return;
	if (next_hop != fwd->client_next_hop)
		lb_conn_set_client_next_hop(st, fwd, is_v6, next_hop);
}

static enum lb_counter why_of(const struct lb_conn *conn)
{
	bool is_udp = conn->kind == LB_CONN_UDP_FWD || conn->kind == LB_CONN_UDP_REV;

	return !is_udp && conn->state >= LB_TCP_LAST_ACK ? LB_COUNT_conn_closed
							 : LB_COUNT_conn_expired;
}

/* A service without tracking keeps an entry only where the table would lead elsewhere. */
static bool is_spared(const struct lb_steer *st, const struct lb_conn *fwd, bool is_v6)
{
	const struct lb_service *svc = st->services[fwd->service];
	struct lb_stateless_request rq = {.targets = &st->targets};
	struct lb_key key;

	if (!svc->is_stateless || fwd->fwd.forwarding != svc->forwarding)
		return false;
	lb_conn_key(fwd, is_v6, &key);
	rq.key = &key;
	return lb_stateless_is_spared(svc, &rq, fwd->fwd.real_id);
}

/* True: entries were removed, pointers into the bucket are void. */
static bool age_forward(struct lb_steer *st, struct lb_conn *fwd, bool is_v6, uint64_t now_ms)
{
	uint32_t timeout;

	if (is_orphan(st, fwd)) {
		lb_conn_close(st, fwd, is_v6, LB_COUNT_conn_orphaned);
		return true;
	}
	timeout = lb_conn_timeout_ticks(st, fwd);
	if (idle_ticks(fwd, now_ms) > timeout) {
		const struct lb_conn *rev = lb_conn_peer(st, fwd, is_v6);

		if (rev == NULL || idle_ticks(rev, now_ms) > timeout) {
			lb_conn_close(st, fwd, is_v6, why_of(fwd));
			return true;
		}
		/* Ticks wrap after 37 hours: a direction that is silent for longer than that must
		 * not look busy again, so it follows the other. */
		fwd->last_tick = rev->last_tick;
	}
	if (is_spared(st, fwd, is_v6)) {
		lb_conn_close(st, fwd, is_v6, LB_COUNT_conn_released);
		return true;
	}
	if (st->service_lines[fwd->service].server_down_action == LB_SERVER_DOWN_RESET)
		lb_conn_ask(st, fwd, is_v6, now_ms);
	if (st->age.n_reroute != 0)
		reroute(st, fwd, is_v6);
	lb_next_hop_mark(st->next_hops, fwd->client_next_hop);
	refresh_record(st, fwd, is_v6, now_ms);
	return false;
}

/* A reverse entry goes with its forward one; only one that has lost it is removed here. */
static bool age_reverse(struct lb_steer *st, struct lb_conn *rev, bool is_v6, uint64_t now_ms)
{
	struct lb_conn *fwd;

	if (is_orphan(st, rev)) {
		lb_conn_close(st, rev, is_v6, LB_COUNT_conn_orphaned);
		return true;
	}
	if (idle_ticks(rev, now_ms) <= lb_conn_timeout_ticks(st, rev))
		return false;
	fwd = lb_conn_peer(st, rev, is_v6);
	if (fwd == NULL) {
		lb_conn_close(st, rev, is_v6, LB_COUNT_conn_orphaned);
		return true;
	}
	if (idle_ticks(fwd, now_ms) <= lb_conn_timeout_ticks(st, fwd))
		rev->last_tick = fwd->last_tick;
	return false;
}

static void age_bucket(struct lb_steer *st, bool is_v6, uint32_t bucket, uint64_t now_ms)
{
	struct lb_conn *entries[2];
	bool is_removed;

	do { /* at most three times: a bucket holds two */
		uint32_t n = lb_conn_bucket(st->conn_table, is_v6, bucket, entries);

		is_removed = false;
		for (uint32_t i = 0; i < n && !is_removed; i++)
			is_removed = lb_conn_is_reply(entries[i])
					     ? age_reverse(st, entries[i], is_v6, now_ms)
					     : age_forward(st, entries[i], is_v6, now_ms);
	} while (is_removed);
}

/* An entry that was displaced during the sweep may have been missed by it, and so its next hop:
 * then nothing is forgotten this time. */
static void end_sweep(struct lb_steer *st)
{
	st->age.next = 0;
	if (!st->age.has_displaced)
		lb_next_hop_forget_unmarked(st->next_hops);
	st->age.has_displaced = false;
}

void lb_conn_age(struct lb_steer *st, uint64_t now_ms, uint32_t max_buckets)
{
	struct lb_age *age = &st->age;
	uint32_t n_v4 = lb_conn_n_buckets(st->conn_table, false);
	uint32_t n = n_v4 + lb_conn_n_buckets(st->conn_table, true), due;
	uint64_t elapsed = now_ms > age->last_ms ? now_ms - age->last_ms : 0;

	/* After a pause one sweep is due, not one for each time that would have been. */
	if (elapsed > LB_AGE_SWEEP_MS)
		elapsed = LB_AGE_SWEEP_MS;
	age->last_ms = now_ms;
	age->credit += elapsed * n;
	if (age->credit > (uint64_t)n * LB_AGE_SWEEP_MS)
		age->credit = (uint64_t)n * LB_AGE_SWEEP_MS;
	due = (uint32_t)(age->credit / LB_AGE_SWEEP_MS);
	if (due > max_buckets)
		due = max_buckets;
	age->credit -= (uint64_t)due * LB_AGE_SWEEP_MS;
	for (; due != 0; due--) {
		uint32_t at = age->next++;

		age_bucket(st, at >= n_v4, at >= n_v4 ? at - n_v4 : at, now_ms);
		/* In step with the sweep: what moves has been visited. */
		lb_conn_tidy(st->conn_table, at >= n_v4, 1);
		if (age->n_reroute != 0)
			age->n_reroute--;
		if (age->next == n)
			end_sweep(st);
	}
}

void lb_conn_age_reroute(struct lb_steer *st)
{
	st->age.n_reroute = lb_conn_n_buckets(st->conn_table, false) +
			    lb_conn_n_buckets(st->conn_table, true);
}
