#include "steer/record_listing.h"

#include "steer/persist_table.h"

void lb_record_listing_start(struct lb_record_listing *l, const struct lb_records_query *query)
{
	*l = (struct lb_record_listing){.query = *query, .at = query->place};
}

static bool is_member(const struct lb_records_query *q, uint32_t member_id)
{
	for (uint32_t i = 0; i < q->n_members; i++)
		if (q->members[i] == member_id)
			return true;
	return !q->has_members;
}

static bool matches(const struct lb_records_query *q, const struct lb_addr *client,
		    uint16_t group_id, const struct lb_record *rec)
{
	return (!q->has_group || q->group_id == group_id) &&
	       (!q->has_client || lb_prefix_contains(&q->client, client)) &&
	       is_member(q, rec->member_id);
}

/* Void ones stay in the table until their place is needed, and nobody follows them. */
static bool is_followed(const struct lb_steer *st, const struct lb_record *rec)
{
	return rec->generation ==
	       (st->member_generation[rec->member_id] & ((1u << LB_MEMBER_GENERATION_BITS) - 1));
}

bool lb_record_listing_next(struct lb_record_listing *l, const struct lb_steer *st, uint64_t now_ms,
			    struct lb_records_record *out, bool *is_told)
{
	uint32_t now_s = (uint32_t)(now_ms / 1000);
	struct lb_record rec;
	struct lb_addr client;
	uint16_t group_id;

	*is_told = false;
	if (l->at >= lb_persist_slots(st->persist) || l->n_visited == LB_RECORDS_PLACES_MAX ||
	    (l->n_told >= l->query.limit && !l->query.is_clearing))
		return false;
	l->n_visited++;
	if (!lb_persist_entry(st->persist, l->at++, now_s, &client, &group_id, &rec) ||
	    !matches(&l->query, &client, group_id, &rec) || !is_followed(st, &rec))
		return true;
	if (l->query.is_clearing) {
		l->n_cleared += lb_persist_remove(st->persist, l->at - 1, &client, group_id,
						  rec.member_id);
		return true;
	}
	*out = (struct lb_records_record){.client = client,
					  .group_id = group_id,
					  .member_id = rec.member_id,
					  .expires_in_s = rec.expires_s - now_s};
	*is_told = true;
	l->n_told++;
	return true;
}

struct lb_records_end lb_record_listing_end(const struct lb_record_listing *l,
					    const struct lb_steer *st)
{
	return (struct lb_records_end){.place = l->at,
				       .is_end = l->at >= lb_persist_slots(st->persist),
				       .n_cleared = l->n_cleared};
}
