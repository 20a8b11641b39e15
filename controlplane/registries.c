#include "registries.h"

#include <errno.h>
#include <stdlib.h>

/* What connections, records or packets under way may still name is given out again last. */
#define LAST UINT32_MAX
#define SOME 1024u

#define CHAINS_MAX (1u << 24)
#define START_ITEMS 16u

static const struct {
	struct lb_ids_params params;
	const char *where;
	const char *what;
} kinds[LB_ID_KIND_N] = {
	[LB_ID_SERVICE] = {{sizeof(struct lb_name_key), 0, LB_SERVICES_MAX, SOME},
			   "/virtual_services",
			   "virtual services"},
	[LB_ID_GROUP] = {{sizeof(struct lb_name_key), 1, LB_GROUPS_MAX + 1, LAST},
			 "/persistence_groups",
			 "persistence groups"},
	[LB_ID_NAT_SOURCE] =
		{{sizeof(struct lb_name_key), 0, LB_NAT_SOURCES_MAX, SOME},
		 "/nat_sources",
		 "NAT sources (declared ones and virtual addresses that serve as their "
		 "own)"},
	[LB_ID_NAT_ADDR] = {{sizeof(struct lb_addr), 1, LB_NAT_ADDR_IDS_MAX + 1, LAST},
			    "/nat_sources",
			    "NAT source addresses"},
	[LB_ID_REAL] = {{sizeof(struct lb_endpoint_key), 0, LB_REALS_MAX, SOME},
			"/server_pools",
			"real servers"},
	[LB_ID_MACHINE] = {{sizeof(struct lb_addr), 0, LB_MACHINES_MAX, SOME},
			   "/server_pools",
			   "machines"},
	[LB_ID_NEXT_HOP] = {{sizeof(struct lb_endpoint_key), 1, LB_NEXT_HOP_LEARNED, LAST},
			    "/node/interfaces",
			    "next hops"},
	[LB_ID_TARGET] = {{sizeof(struct lb_target_key), 0, LB_TARGETS_MAX, SOME},
			  "/server_pools",
			  "states of machines at probed ports and in persistence groups"},
	[LB_ID_PROBE] = {{sizeof(struct lb_probe_key), 0, LB_TARGETS_MAX, 0},
			 "/health_monitors",
			 "probes"},
	[LB_ID_SCOPE] = {{sizeof(struct lb_scope_key), 0, LB_SCOPE_GROUP, SOME},
			 "/server_pools",
			 "server pools"},
	[LB_ID_MONITOR] = {{sizeof(struct lb_monitor_key), 0, CHAINS_MAX, 0},
			   "/health_monitors",
			   "health monitors"},
	[LB_ID_MONITOR_SET] = {{sizeof(struct lb_chain_key), 1, CHAINS_MAX, SOME},
			       "/health_monitors",
			       "sets of health monitors"},
	[LB_ID_PORT_SET] = {{sizeof(struct lb_chain_key), 1, CHAINS_MAX, SOME},
			    "/virtual_services",
			    "sets of probed ports"},
	[LB_ID_VIP_PATH] = {{sizeof(struct lb_vip_path_key), 1, LB_SERVICES_MAX + 1, SOME},
			    "/virtual_services",
			    "ways to virtual addresses"},
};

int lb_registries_init(struct lb_registries *reg)
{
	*reg = (struct lb_registries){0};
	for (int k = 0; k < LB_ID_KIND_N; k++) {
		int ret = lb_ids_create(&kinds[k].params, &reg->of[k]);

		if (ret != 0) {
			lb_registries_fini(reg);
			return ret;
		}
	}
	return 0;
}

void lb_registries_fini(struct lb_registries *reg)
{
	for (int k = 0; k < LB_ID_KIND_N; k++)
		lb_ids_destroy(reg->of[k]);
	*reg = (struct lb_registries){0};
}

int lb_registries_copy(const struct lb_registries *reg, struct lb_registries *out)
{
	*out = (struct lb_registries){0};
	for (int k = 0; k < LB_ID_KIND_N; k++) {
		int ret = lb_ids_copy(reg->of[k], &out->of[k]);

		if (ret != 0) {
			lb_registries_fini(out);
			return ret;
		}
	}
	return 0;
}

void lb_registries_begin(struct lb_registries *reg)
{
	for (int k = 0; k < LB_ID_KIND_N; k++)
		lb_ids_begin(reg->of[k]);
}

void lb_registries_commit(struct lb_registries *reg)
{
	for (int k = 0; k < LB_ID_KIND_N; k++)
		lb_ids_commit(reg->of[k]);
}

int lb_registries_get(struct lb_registries *reg, enum lb_id_kind kind, const void *key,
		      uint32_t *id, bool *is_first, struct lb_error *err)
{
	int ret = lb_ids_get(reg->of[kind], key, id, is_first);

	if (ret == -ENOSPC)
		return lb_error_set(err, ret, kinds[kind].where, "at most %u %s are possible",
				    kinds[kind].params.end - kinds[kind].params.first,
				    kinds[kind].what);
	if (ret == -ENOMEM)
		return lb_error_set(err, ret, "", "out of memory");
	return ret;
}

struct lb_name_key lb_name_key(const char *name)
{
	struct lb_name_key key = {{0}};
	size_t n = strnlen(name, sizeof(key.name) - 1);

	memcpy(key.name, name, n);
	return key;
}

int lb_array_reserve(void **array, uint32_t *max, uint32_t idx, size_t item_bytes)
{
	uint32_t n = *max < START_ITEMS ? START_ITEMS : *max;
	uint8_t *grown;

	if (idx < *max)
		return 0;
	while (n <= idx)
		n *= 2;
	grown = realloc(*array, n * item_bytes);
	if (grown == NULL)
		return -ENOMEM;
	memset(grown + *max * item_bytes, 0, (n - *max) * item_bytes);
	*array = grown;
	*max = n;
	return 0;
}
