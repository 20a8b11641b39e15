#include "runtime/rss.h"

#include <stdio.h>
#include <string.h>

#include <rte_ethdev.h>

#define KEY_BYTES_MAX 64u

#define GROUPS_MAX (LB_RSS_BUCKETS_MAX / RTE_ETH_RETA_GROUP_SIZE)

static void spread(const struct lb_port *port)
{
	struct rte_eth_rss_reta_entry64 reta[GROUPS_MAX];
	struct rte_eth_dev_info info;

	if (port->n_rx == 1 || rte_eth_dev_info_get(port->ethdevs[0], &info) != 0 ||
	    info.reta_size == 0 || info.reta_size > LB_RSS_BUCKETS_MAX)
		return;
	memset(reta, 0, sizeof(reta));
	for (uint32_t i = 0; i < info.reta_size; i++) {
		struct rte_eth_rss_reta_entry64 *group = &reta[i / RTE_ETH_RETA_GROUP_SIZE];

		group->mask |= UINT64_C(1) << i % RTE_ETH_RETA_GROUP_SIZE;
		group->reta[i % RTE_ETH_RETA_GROUP_SIZE] = (uint16_t)(i % port->n_rx);
	}
	/* What the driver does instead is asked afterwards. */
	(void)rte_eth_dev_rss_reta_update(port->ethdevs[0], reta, info.reta_size);
}

/* The map that one port by itself would make; NULL or why not. */
static const char *read_table(const struct lb_port *port, uint32_t n_workers,
			      const struct rte_eth_dev_info *info, struct lb_rss_map *map)
{
	struct rte_eth_rss_reta_entry64 reta[GROUPS_MAX];
	uint32_t n = info->reta_size, share[LB_WORKERS_MAX] = {0};

	if (n < RTE_ETH_RETA_GROUP_SIZE || n > LB_RSS_BUCKETS_MAX || (n & (n - 1)) != 0)
		return "its indirection table has a size that is not known here";
	memset(reta, 0, sizeof(reta));
	for (uint32_t i = 0; i < n / RTE_ETH_RETA_GROUP_SIZE; i++)
		reta[i].mask = UINT64_MAX;
	if (rte_eth_dev_rss_reta_query(port->ethdevs[0], reta, (uint16_t)n) != 0)
		return "its driver does not tell its indirection table";
	for (uint32_t i = 0; i < n; i++) {
		uint32_t queue =
			reta[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE];

		if (queue >= n_workers)
			return "its indirection table names queues that are not ours";
		share[queue]++;
		map->worker[i] = (uint8_t)queue;
	}
	for (uint32_t i = 0; i < n_workers; i++)
		if (share[i] < n / n_workers / 2 || share[i] == 0)
			return "its indirection table gives a worker less than half its share";
	if (!lb_rss_shares_ports(&map->hash, rte_log2_u32(n)))
		return "its hash key would leave workers without NAT ports";
	map->n_buckets = n;
	return NULL;
}

static const char *read_hash(const struct lb_port *port, const struct rte_eth_dev_info *info,
			     struct lb_rss_map *map)
{
	/* A driver that says no length means the usual one; one that fills in nothing is found out
	 * by a key of zeros, which shares no ports. */
	uint32_t n = info->hash_key_size != 0 ? info->hash_key_size : LB_TOEPLITZ_KEY_BYTES;
	uint8_t key[KEY_BYTES_MAX] = {0};
	struct rte_eth_rss_conf conf = {.rss_key = key, .rss_key_len = (uint8_t)n};

	if (n < LB_TOEPLITZ_KEY_BYTES || n > sizeof(key))
		return "its hash key has a length that is not known here";
	if (rte_eth_dev_rss_hash_conf_get(port->ethdevs[0], &conf) != 0)
		return "its driver does not tell its hash key";
	map->has_tcp[0] = (conf.rss_hf & RTE_ETH_RSS_NONFRAG_IPV4_TCP) != 0;
	map->has_tcp[1] = (conf.rss_hf & RTE_ETH_RSS_NONFRAG_IPV6_TCP) != 0;
	map->has_udp[0] = (conf.rss_hf & RTE_ETH_RSS_NONFRAG_IPV4_UDP) != 0;
	map->has_udp[1] = (conf.rss_hf & RTE_ETH_RSS_NONFRAG_IPV6_UDP) != 0;
	if (!map->has_tcp[0] && !map->has_tcp[1] && !map->has_udp[0] && !map->has_udp[1])
		return "it hashes neither TCP nor UDP ports";
	lb_toeplitz_init(&map->hash, key);
	return NULL;
}

static const char *read_port(const struct lb_port *port, uint32_t n_workers, struct lb_rss_map *map)
{
	struct rte_eth_dev_info info;
	const char *why;

	if (port->n_rx == 1)
		return "the device has one receive queue";
	if (port->kind == LB_PORT_AF_XDP)
		return "no hash is known by which the kernel chooses the queue";
	if (port->n_rx < n_workers)
		return "the device has fewer receive queues than there are workers";
	if (rte_eth_dev_info_get(port->ethdevs[0], &info) != 0 || info.reta_size == 0)
		return "the device does not say how it chooses the queue";
	why = read_hash(port, &info, map);
	return why != NULL ? why : read_table(port, n_workers, &info, map);
}

/* Would both bring every packet to the same worker? */
static bool is_same(const struct lb_rss_map *a, const struct lb_rss_map *b)
{
	if (memcmp(&a->hash, &b->hash, sizeof(a->hash)) != 0 ||
	    memcmp(a->has_tcp, b->has_tcp, sizeof(a->has_tcp)) != 0 ||
	    memcmp(a->has_udp, b->has_udp, sizeof(a->has_udp)) != 0)
		return false;
	for (uint32_t i = 0; i < LB_RSS_BUCKETS_MAX; i++)
		if (a->worker[i & (a->n_buckets - 1)] != b->worker[i & (b->n_buckets - 1)])
			return false;
	return true;
}

static void describe_hash(struct lb_port *port, const struct lb_rss_map *map)
{
	char text[64] = "";
	static const char *const families[2] = {"IPv4", "IPv6"};

	for (uint32_t i = 0; i < 2; i++) {
		size_t n = strlen(text);

		if (map->has_tcp[i] || map->has_udp[i])
			snprintf(text + n, sizeof(text) - n, "%s%s %s%s%s", n > 0 ? ", " : "",
				 families[i], map->has_tcp[i] ? "TCP" : "",
				 map->has_tcp[i] && map->has_udp[i] ? " and " : "",
				 map->has_udp[i] ? "UDP" : "");
	}
	snprintf(port->replies, sizeof(port->replies),
		 "the device brings them to their owner (%s; fullnat replies by the choice of the "
		 "NAT "
		 "port), because its hash key and its table of %u entries are known; nat is handed "
		 "over by the client",
		 text, map->n_buckets);
}

static void describe_hand_over(struct lb_port *port, uint32_t n_workers, const char *why)
{
	size_t n = (size_t)snprintf(port->replies, sizeof(port->replies),
				    "handed over in software to the owner (fullnat replies: of the "
				    "NAT port, the rest: of the client by Toeplitz), because %s",
				    why);

	if (port->n_tx < n_workers && n < sizeof(port->replies))
		snprintf(port->replies + n, sizeof(port->replies) - n,
			 "; transmit queues: %u for %u workers, the others hand back what they "
			 "send",
			 port->n_tx, n_workers);
}

void lb_rss_settle(struct lb_port *ports, uint32_t n_ports, uint32_t n_workers,
		   struct lb_rss_map *map)
{
	memset(map, 0, sizeof(*map));
	for (uint32_t i = 0; i < n_ports; i++) {
		struct lb_rss_map own = {0};
		const char *why;

		if (ports[i].n_rx == 0)
			continue; /* an interface in another's VLAN */
		if (n_workers == 1) {
			snprintf(ports[i].replies, sizeof(ports[i].replies),
				 "one worker: it owns every connection");
			continue;
		}
		spread(&ports[i]);
		why = read_port(&ports[i], n_workers, &own);
		if (why == NULL && map->n_buckets == 0)
			*map = own;
		if (why == NULL && !is_same(map, &own))
			why = "it hashes otherwise than another port";
		if (why == NULL)
			describe_hash(&ports[i], map);
		else
			describe_hand_over(&ports[i], n_workers, why);
	}
}
